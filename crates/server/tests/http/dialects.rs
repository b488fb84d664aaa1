//! What clients of other services of embeddings ask, and how they are told what is wrong. The clients themselves are
//! in `clients.rs`.

use crate::support::{Reply, app, post};
use axum::http::StatusCode;
use serde_json::{Value, json};

async fn openai(body: Value) -> Reply {
    post(app(), "/v1/embeddings", "application/json", body.to_string()).await
}

async fn tei(path: &str, body: Value) -> Reply {
    post(app(), path, "application/json", body.to_string()).await
}

fn vector(value: &Value) -> Vec<f64> {
    value.as_array().expect("a vector").iter().map(|value| value.as_f64().expect("a number")).collect()
}

#[tokio::test]
async fn every_form_of_a_text_has_its_vector() {
    let reply = openai(json!({"input": "a grey sea", "model": "any", "user": "someone"})).await;
    assert_eq!((reply.status, reply.header("content-type")), (StatusCode::OK, "application/json"));
    let answer = reply.json();
    let expected = vector(&answer["data"][0]["embedding"]);
    assert_eq!(expected.len(), 384);
    assert_eq!(answer["usage"], json!({"prompt_tokens": 5, "total_tokens": 5}));
    assert_eq!((&answer["object"], &answer["model"]), (&json!("list"), &json!("all-MiniLM-L6-v2")));
    assert_eq!(reply.header("x-truncated-inputs"), "");
    // [CLS] a grey sea [SEP]
    for input in [json!(["a grey sea"]), json!([1037, 4462, 2712]), json!([[101, 1037, 4462, 2712, 102]])] {
        let answer = openai(json!({"input": input, "dimensions": 384, "encoding_format": "float"})).await.json();
        assert_eq!(vector(&answer["data"][0]["embedding"]), expected, "{input}");
    }
    for path in ["/embed", "/"] {
        let answer = tei(path, json!({"inputs": "a grey sea"})).await.json();
        assert_eq!(vector(&answer[0]), expected, "{path}");
    }
}

#[tokio::test]
async fn openais_clients_are_told_in_their_way() {
    let long = "a".repeat(9_000_000);
    let body = |body: Value| ("application/json", body.to_string());
    for ((content_type, body), status, code, param) in [
        (body(json!({"input": "a", "dimensions": 256})), 400, "dimensions_unsupported", Some("dimensions")),
        (body(json!({"input": "a", "dimensions": 0})), 400, "dimensions_unsupported", Some("dimensions")),
        (body(json!({"input": ["a", ""]})), 400, "input_empty", Some("input")),
        (body(json!({"input": [30522]})), 400, "token_unknown", Some("input")),
        (body(json!({"input": "a", "encoding_format": "hex"})), 400, "format_unknown", Some("encoding_format")),
        (body(json!({"input": "a", "dimensions": "many"})), 400, "body_invalid", None),
        (body(json!({"input": []})), 400, "body_invalid", None),
        (body(json!({"model": "any"})), 400, "body_invalid", None),
        (body(json!({"input": long})), 413, "body_too_large", None),
        (("application/json", "[".repeat(100_000)), 400, "body_invalid", None),
        (("application/json", "{\"input\": \"\\ud800\"}".to_owned()), 400, "body_invalid", None),
        (("application/json", String::new()), 400, "body_invalid", None),
        (("application/x-www-form-urlencoded", "{\"input\": \"a\"}".to_owned()), 415, "media_type_unsupported", None),
    ] {
        let name = body[..body.len().min(60)].to_owned();
        let reply = post(app(), "/v1/embeddings", content_type, body).await;
        assert_eq!(reply.status.as_u16(), status, "{name}: {}", reply.body);
        assert_eq!(reply.header("content-type"), "application/json", "{name}");
        let error = &reply.json()["error"];
        assert_eq!((&error["code"], &error["param"]), (&json!(code), &json!(param)), "{name}: {error}");
        assert_eq!(error["type"], "invalid_request_error", "{name}");
        assert!(error["message"].as_str().is_some_and(|message| message.len() > 20), "{name}: {error}");
        assert!(reply.body.len() < 700, "{name}: {}", reply.body);
    }
}

#[tokio::test]
async fn teis_clients_are_told_in_theirs() {
    let long = "whale ".repeat(300);
    for (path, body, status) in [
        ("/embed", json!({"inputs": long, "truncate": false}), 413),
        ("/embed", json!({"inputs": "a", "truncation_direction": "Up"}), 400),
        ("/embed", json!({"inputs": "a", "prompt_name": "query"}), 400),
        ("/embed", json!({"inputs": "a", "dimensions": 3}), 400),
        ("/", json!({"inputs": ""}), 400),
        ("/similarity", json!({"inputs": {"source_sentence": "a", "sentences": []}}), 400),
        ("/similarity", json!({"inputs": {"source_sentence": "a", "sentences": vec!["a"; 2048]}}), 400),
        ("/similarity", json!({"inputs": "a"}), 400),
        ("/tokenize", json!({"inputs": [1, 2]}), 400),
    ] {
        let reply = tei(path, body.clone()).await;
        assert_eq!(reply.status.as_u16(), status, "{path} {body:.80}: {}", reply.body);
        let error = reply.json();
        assert_eq!(error["error_type"], "Validation", "{error}");
        assert!(error["error"].as_str().is_some_and(|message| message.len() > 20), "{error}");
    }
    let cut = tei("/embed", json!({"inputs": ["a", long]})).await;
    assert_eq!((cut.status, cut.header("x-truncated-inputs")), (StatusCode::OK, "1"));
}

#[tokio::test]
async fn similar_texts_have_larger_cosines_and_tokens_have_names() {
    let inputs = json!({"source_sentence": "a whale hunt", "sentences": ["a captain pursues a whale", "baking bread"]});
    let cosines = vector(&tei("/similarity", json!({"inputs": inputs})).await.json());
    assert!(cosines.len() == 2 && cosines[0] > 0.5 && cosines[1] < 0.3, "{cosines:?}");
    let tokens = tei("/tokenize", json!({"inputs": ["salesmanlike"]})).await.json();
    let texts: Vec<_> = tokens[0].as_array().expect("tokens").iter().map(|token| &token["text"]).collect();
    assert_eq!(texts, ["[CLS]", "salesman", "##like", "[SEP]"]);
    assert_eq!(tokens[0][1]["special"], false);
}
