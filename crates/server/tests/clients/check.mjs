// Asks a running service with OpenAI's client for JavaScript, and compares with the vectors of the model itself.
// usage: node check.mjs ADDRESS EXPECTED, as for check.py

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import OpenAI from "openai";

const [address, file] = process.argv.slice(2);
const expected = JSON.parse(readFileSync(file, "utf8"));
const texts = Object.keys(expected);
const client = new OpenAI({ baseURL: `${address}/v1`, apiKey: "any", maxRetries: 0 });
const same = (found, wanted, what) => {
  assert.deepEqual(Float32Array.from(found), Float32Array.from(wanted), what);
  console.log("ok:", what);
};

for (const encoding_format of [undefined, "float"]) {
  const { data, model, usage } = await client.embeddings.create({ model: "any", input: texts, encoding_format });
  data.forEach((item, i) => same(item.embedding, expected[texts[i]].vector, `${encoding_format}, text ${i}`));
  assert.equal(model, "all-MiniLM-L6-v2");
  assert.equal(usage.total_tokens, texts.reduce((sum, text) => sum + expected[text].ids.length, 0));
}
const { vector, ids } = expected[texts[0]];
const one = await client.embeddings.create({ model: "any", input: ids, dimensions: 384 });
same(one.data[0].embedding, vector, "token ids");
await assert.rejects(client.embeddings.create({ model: "any", input: "a", dimensions: 1024 }), (error) => {
  assert.ok(error instanceof OpenAI.BadRequestError);
  assert.deepEqual([error.code, error.param], ["dimensions_unsupported", "dimensions"]);
  return true;
});
const models = [];
for await (const model of client.models.list()) models.push(model.id);
assert.deepEqual(models, ["all-MiniLM-L6-v2"]);
console.log("all is well");
