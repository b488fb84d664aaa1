"""Asks a running service with the clients that people have, and compares with the vectors of the model itself.

usage: python check.py ADDRESS EXPECTED
where EXPECTED is a JSON file of texts with their vectors and token ids.
"""

import base64
import json
import sys
import urllib.request

import numpy
import openai
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from langchain_openai import OpenAIEmbeddings
from prometheus_client.parser import text_string_to_metric_families
from llama_index.embeddings.openai import OpenAIEmbedding

address, expected = sys.argv[1], json.load(open(sys.argv[2]))
texts = list(expected)
vectors = numpy.array([expected[text]["vector"] for text in texts], dtype="float32")
ids = [expected[text]["ids"] for text in texts]


def same(found, wanted, what):
    """Vectors come through to the last bit, whichever way they are written."""
    assert numpy.array_equal(numpy.array(found, dtype="float32"), wanted), what
    print("ok:", what)


def refused(ask, kind, *parts):
    try:
        ask()
    except kind as error:
        missing = [part for part in parts if part not in str(error)]
        assert not missing, f"{missing} not in {error}"
        print("ok: refused,", kind.__name__, *parts)
        return error
    raise AssertionError(f"not refused: {parts}")


client = openai.OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0)
create = client.embeddings.create
for form in ["float", "base64", openai.NOT_GIVEN]:
    reply = create(model="any", input=texts, encoding_format=form)
    found = [item.embedding for item in reply.data]
    if form == "base64":  # asked for by name, it is given as it came
        found = [numpy.frombuffer(base64.b64decode(text), dtype="<f4") for text in found]
    same(found, vectors, f"openai, {form}")
    assert [item.index for item in reply.data] == list(range(len(texts)))
    assert reply.model == "all-MiniLM-L6-v2" and reply.object == "list", reply.model
    assert reply.usage.prompt_tokens == reply.usage.total_tokens == sum(map(len, ids)), reply.usage
same(create(model="any", input=texts[0]).data[0].embedding, vectors[0], "openai, one text")
same(create(model="any", input=ids[0]).data[0].embedding, vectors[0], "openai, token ids")
same([item.embedding for item in create(model="any", input=ids).data], vectors, "openai, lists of token ids")
same(create(model="any", input=[ids[0][1:-1]]).data[0].embedding, vectors[0], "openai, without special tokens")
same(create(model="any", input=texts[0], dimensions=384, user="me").data[0].embedding, vectors[0], "openai, dimensions")
many = [f"book {number}" for number in range(2048)]
reply = create(model="any", input=many)
assert len(reply.data) == 2048
same(reply.data[1999].embedding, create(model="any", input=many[1999]).data[0].embedding, "openai, 2048 texts")
long = client.embeddings.with_raw_response.create(model="any", input=["whale " * 300, "short"])
assert long.headers["x-truncated-inputs"] == "1" and long.parse().usage.total_tokens == 256 + 3

bad = openai.BadRequestError
error = refused(lambda: create(model="any", input="a", dimensions=256), bad, "384 dimensions", "256")
assert (error.code, error.param, error.type) == ("dimensions_unsupported", "dimensions", "invalid_request_error")
refused(lambda: create(model="any", input=""), bad, "input 0 is empty")
refused(lambda: create(model="any", input=[]), bad, "there is no input")
refused(lambda: create(model="any", input=many + ["one"]), bad, "2048 inputs")
refused(lambda: create(model="any", input=[15339, 100257]), bad, "100257", "check_embedding_ctx_length=False")
refused(lambda: create(model="any", input="a", encoding_format="int8"), bad, "int8")
refused(lambda: client.models.retrieve("gpt-4"), openai.NotFoundError, "no model `gpt-4`")
assert [model.id for model in client.models.list()] == ["all-MiniLM-L6-v2"]
assert client.models.retrieve("all-MiniLM-L6-v2").object == "model"

options = dict(model="all-MiniLM-L6-v2", api_key="any")
langchain = OpenAIEmbeddings(base_url=f"{address}/v1", check_embedding_ctx_length=False, **options)
same(langchain.embed_documents(texts), vectors, "LangChain, documents")
same(langchain.embed_query(texts[1]), vectors[1], "LangChain, query")
options = dict(model_name="all-MiniLM-L6-v2", api_key="any")
llama = OpenAIEmbedding(api_base=f"{address}/v1", **options)
same(llama.get_text_embedding_batch(texts), vectors, "LlamaIndex, documents")
same(llama.get_query_embedding(texts[1]), vectors[1], "LlamaIndex, query")

for path in ["/embed", "/", ""]:
    inference = InferenceClient(model=f"{address}{path}")
    same(inference.feature_extraction(texts[0]), vectors[:1], f"huggingface_hub at `{path}`")
inference = InferenceClient(model=f"{address}/embed")
same(inference.feature_extraction(texts), vectors, "huggingface_hub, several texts")
unscaled = inference.feature_extraction(texts, normalize=False)
lengths = numpy.linalg.norm(unscaled, axis=1, keepdims=True)
assert (abs(lengths - 1) > 0.01).all() and numpy.allclose(unscaled / lengths, vectors, atol=1e-6)
cut = inference.feature_extraction("whale " * 300 + "bread " * 254, truncate=True, truncation_direction="left")
same(cut, inference.feature_extraction("bread " * 254), "huggingface_hub, cut on the left")
refused(
    lambda: inference.feature_extraction("whale " * 300, truncate=False), HfHubHTTPError, "302 tokens"
)
refused(lambda: inference.feature_extraction(texts, prompt_name="query"), HfHubHTTPError, "no prompt `query`")
similar = InferenceClient(model=f"{address}/similarity").sentence_similarity(texts[0], other_sentences=texts)
assert numpy.allclose(similar, vectors @ vectors[0], atol=1e-5), similar
print("ok: huggingface_hub, similarity")


def tei(path, body=None):
    """What huggingface_hub has no method for."""
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(f"{address}{path}", data, {"content-type": "application/json"})
    return json.load(urllib.request.urlopen(request))


assert [[token["id"] for token in tokens] for tokens in tei("/tokenize", {"inputs": texts})] == ids
bare = tei("/tokenize", {"inputs": texts[0], "add_special_tokens": False})[0]
assert [token["id"] for token in bare] == ids[0][1:-1] and not any(token["special"] for token in bare)
info = tei("/info")
assert info["model_id"] == "all-MiniLM-L6-v2" and info["model_type"] == {"embedding": {"pooling": "mean"}}, info
assert (info["max_input_length"], info["max_client_batch_size"]) == (256, 2048), info
assert tei("/health") == {"status": "ok"}
text = urllib.request.urlopen(f"{address}/metrics").read().decode()
families = {family.name: family for family in text_string_to_metric_families(text)}
requests = {tuple(sample.labels.values()): sample.value for sample in families["libellus_requests"].samples}
assert requests["/v1/embeddings", "POST", "200"] > 10, requests
assert families["libellus_request_seconds"].type == "histogram" and families["libellus_catalogue_books"].type == "gauge"
print("ok: prometheus_client")
print("all is well")
