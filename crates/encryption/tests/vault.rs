//! [`Vault`] against a small server that answers as the transit engine does.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use encryption::{DataKey, Error, KeyName, KeyService, Vault, VaultConfig};
use env::{Env, Listener, Stream};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zeroize::Zeroizing;

const TOKEN: &str = "s.token";

async fn listen(env: &Env) -> (Box<dyn Listener>, SocketAddr) {
    let listener = env.net.listen("127.0.0.1:0".to_owned()).await.unwrap();
    let address = listener.local_address().unwrap();
    (listener, address)
}

/// Answers every request on every connection that `listener` takes.
fn serve(env: &Env, mut listener: Box<dyn Listener>) -> env::Task {
    env.spawn.task(
        "vault",
        Box::pin(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                answer_one(&mut stream).await;
            }
        }),
    )
}

async fn answer_one(stream: &mut Box<dyn Stream>) {
    let mut received = Vec::new();
    let (head, body) = loop {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).await.unwrap();
        if count == 0 {
            return;
        }
        received.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8(received.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let size =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
        if body.len() == size.unwrap().parse::<usize>().unwrap() {
            break (head.to_owned(), body.to_owned());
        }
    };
    let (status, answer) = respond(&head, &serde_json::from_str(&body).unwrap());
    let answer = answer.to_string();
    let text = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// "Encrypts" by putting key, context and plaintext side by side, which is all that the caller can tell.
fn respond(head: &str, question: &Value) -> (u16, Value) {
    let path = head.split(' ').nth(1).unwrap();
    if !head.lines().any(|line| line.eq_ignore_ascii_case(&format!("x-vault-token: {TOKEN}"))) {
        return (403, json!({"errors": ["permission denied"]}));
    }
    let text = |name: &str| question[name].as_str().unwrap().to_owned();
    let Some((verb, key)) = path.strip_prefix("/v1/transit/").and_then(|path| path.split_once('/')) else {
        return (404, json!({"errors": []}));
    };
    match (verb, key) {
        (_, "missing") => (400, json!({"errors": ["encryption key not found"]})),
        (_, "sealed") => (503, json!({"errors": ["Vault is sealed"]})),
        ("encrypt", key) => {
            let inside = format!("{key} {} {}", text("associated_data"), text("plaintext"));
            (200, json!({"data": {"ciphertext": format!("vault:v1:{}", STANDARD.encode(inside))}}))
        }
        ("decrypt", key) => {
            let inside = text("ciphertext").strip_prefix("vault:v1:").and_then(|text| STANDARD.decode(text).ok());
            let inside = inside.and_then(|inside| String::from_utf8(inside).ok()).unwrap_or_default();
            match inside.strip_prefix(&format!("{key} {} ", text("associated_data"))) {
                Some(plaintext) => (200, json!({"data": {"plaintext": plaintext}})),
                None => (400, json!({"errors": ["invalid ciphertext: unable to decrypt"]})),
            }
        }
        _ => (405, json!({"errors": ["unsupported operation"]})),
    }
}

fn config(address: &str, token: &str) -> VaultConfig {
    VaultConfig {
        address: address.to_owned(),
        mount: "transit".to_owned(),
        token: Zeroizing::new(token.to_owned()),
        authorities: None,
    }
}

fn vault(env: &Env, address: SocketAddr, token: &str) -> Vault {
    Vault::new(env, config(&format!("http://{address}/"), token)).unwrap()
}

fn name(text: &str) -> KeyName {
    KeyName::parse(text).unwrap()
}

#[tokio::test]
async fn keys_come_back_for_their_key_and_context_only() {
    let env = Env::real();
    let (listener, address) = listen(&env).await;
    let _server = serve(&env, listener);
    let vault = vault(&env, address, TOKEN);
    let key = DataKey::generate(env.entropy.as_ref());
    let wrapped = vault.wrap(&name("testkey-1"), &key, b"bucket 7").await.unwrap();
    let unwrapped = vault.unwrap(&name("testkey-1"), &wrapped, b"bucket 7").await.unwrap();
    assert_eq!(unwrapped.expose(), key.expose());
    let wrong = vault.unwrap(&name("testkey-1"), &wrapped, b"bucket 8").await.unwrap_err();
    assert_eq!(wrong, Error::Damaged { what: "a wrapped key" });
    assert!(vault.unwrap(&name("testkey-2"), &wrapped, b"bucket 7").await.is_err());
}

#[tokio::test]
async fn refusals_become_what_the_caller_must_do() {
    let env = Env::real();
    let (listener, address) = listen(&env).await;
    let _server = serve(&env, listener);
    let key = DataKey::generate(env.entropy.as_ref());
    let wrap = async |token: &str, key_name: &str| {
        let vault = vault(&env, address, token);
        vault.wrap(&name(key_name), &key, b"").await.unwrap_err()
    };
    assert_eq!(wrap(TOKEN, "missing").await, Error::NoSuchKey { name: "missing".to_owned() });
    assert_eq!(wrap("s.other", "testkey-1").await, Error::KeyRefused { name: "testkey-1".to_owned() });
    let error = wrap(TOKEN, "sealed").await;
    assert!(matches!(&error, Error::ServiceUnavailable { reason } if reason.contains("sealed")), "{error}");
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let env = Env::real();
    let (listener, address) = listen(&env).await;
    drop(listener);
    let key = DataKey::generate(env.entropy.as_ref());
    let error = vault(&env, address, TOKEN).wrap(&name("a"), &key, b"").await.unwrap_err();
    assert!(matches!(error, Error::ServiceUnavailable { .. }));
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let env = Env::real();
    for (address, token, reason) in [
        ("vault:8200", TOKEN, "begins with https:// or http://"),
        ("http://vault", TOKEN, "HOST:PORT"),
        ("http://vault:8200", "", "token"),
        ("http://vault:8200", "two words", "token"),
        ("https://vault:8200", TOKEN, "certificate"),
    ] {
        let error = Vault::new(&env, config(address, token)).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
