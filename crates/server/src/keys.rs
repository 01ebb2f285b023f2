//! The keys of encrypted objects: the master key that the first start generates, and what the operator sets up besides.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use encryption::{EnvelopeConfig, Envelopes, KeyFile, KeyName, KeyService, LocalKeys, MasterKey, Vault, VaultConfig};
use env::{Env, Files, OpenMode};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::cli::{KeyAction, KeyArguments};
use crate::config::{KeyServiceConfig, KeysConfig};
use crate::kept_secret::KeptSecret;

/// The key that encrypts where no named key is asked for.
pub(crate) const MASTER: KeptSecret<MasterKey> = KeptSecret {
    what: "master key of encryption",
    file_name: "encryption-key.toml",
    document: "encryption-key",
    generate: |env| MasterKey::generate(env.entropy.as_ref()),
    encode,
    decode,
};

/// No sensible file of keys, tokens or certificates is larger.
const FILE_SIZE_MAX: u64 = 1024 * 1024;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct MasterKeyFile {
    master_key: String,
}

fn encode(key: &MasterKey) -> String {
    let file = MasterKeyFile { master_key: key.encode().as_str().to_owned() };
    toml::to_string(&file).expect("a string is TOML")
}

fn decode(bytes: &[u8]) -> Option<MasterKey> {
    let file: MasterKeyFile = toml::from_slice(bytes).ok()?;
    MasterKey::parse(&file.master_key).ok()
}

/// What wraps the keys of objects, as `config` says.
///
/// # Errors
///
/// What is wrong with the files that it names.
pub(crate) fn envelopes(env: &Env, master: MasterKey, config: &KeysConfig) -> anyhow::Result<Arc<Envelopes>> {
    let service = config.service.as_ref().map(|service| open_service(env, service)).transpose()?;
    let s3_key = config.s3_key.as_deref().map(KeyName::parse).transpose()?;
    Ok(Arc::new(Envelopes::new(env, EnvelopeConfig { master, service, s3_key })))
}

fn open_service(env: &Env, config: &KeyServiceConfig) -> anyhow::Result<Arc<dyn KeyService>> {
    match config {
        KeyServiceConfig::File(path) => {
            let text = read_text(env.files.as_ref(), path)?;
            let file = KeyFile::parse(&text).with_context(|| format!("the key file {path:?} cannot be used"))?;
            Ok(Arc::new(LocalKeys::new(file.keys, env.entropy.clone())))
        }
        KeyServiceConfig::Vault { address, mount, token_file, authorities } => {
            let token = Zeroizing::new(read_text(env.files.as_ref(), token_file)?.trim().to_owned());
            let authorities = authorities.as_ref().map(|path| read_text(env.files.as_ref(), path)).transpose()?;
            let authorities = authorities.map(|text| text.as_bytes().to_vec());
            let config = VaultConfig { address: address.clone(), mount: mount.clone(), token, authorities };
            Ok(Arc::new(Vault::new(env, config).context("the settings of the Vault cannot be used")?))
        }
    }
}

fn read_text(files: &dyn Files, path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let reading = || format!("cannot read {path:?}");
    let file = files.open(path, OpenMode::Read).with_context(reading)?;
    let size = file.size().with_context(reading)?;
    if FILE_SIZE_MAX < size {
        bail!("{path:?} is too large for what it should be");
    }
    let mut bytes = vec![0; usize::try_from(size).with_context(reading)?];
    file.read_exact_at(&mut bytes, 0).with_context(reading)?;
    Ok(Zeroizing::new(String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("{path:?} is not text"))?))
}

/// Runs `stonecrop key`.
///
/// # Errors
///
/// What is wrong with the file.
pub(crate) fn run(arguments: &KeyArguments) -> anyhow::Result<ExitCode> {
    let env = Env::real();
    let KeyAction::Create { name, key_file } = &arguments.action;
    create(&env, key_file, name)?;
    println!("The key {name} is in {}. Keep a copy: what it encrypts is lost without it.", key_file.display());
    Ok(ExitCode::SUCCESS)
}

/// Adds a fresh key to the file at `path`, which is made if there is none.
fn create(env: &Env, path: &PathBuf, name: &str) -> anyhow::Result<()> {
    let exists = env.files.exists(path).with_context(|| format!("cannot read {path:?}"))?;
    let text = if exists { read_text(env.files.as_ref(), path)? } else { Zeroizing::default() };
    let joint = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let addition = KeyFile::addition(&text, name, env.entropy.as_ref())?;
    let all = Zeroizing::new(format!("{}{joint}{}", text.as_str(), addition.as_str()));
    let mut fresh = path.clone().into_os_string();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    let written = env.files.open(&fresh, OpenMode::CreateOrOpen).and_then(|file| {
        file.set_size(0)?;
        file.write_all_at(&[all.as_bytes()], 0)?;
        file.sync_data()?;
        env.files.rename(&fresh, path)
    });
    written.with_context(|| format!("cannot write {path:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_master_key_is_read_as_it_was_written() {
        let key = (MASTER.generate)(&Env::real());
        let read = decode(encode(&key).as_bytes()).unwrap();
        assert_eq!(*read.encode(), *key.encode());
        assert!(decode(b"master_key = 'short'").is_none());
    }

    #[test]
    fn keys_are_added_to_a_file_and_found_in_it() {
        let (root, env) = (tempfile::tempdir().unwrap(), Env::real());
        let path = root.path().join("keys.toml");
        for name in ["testkey-1", "testkey-2"] {
            create(&env, &path, name).unwrap();
        }
        assert!(create(&env, &path, "testkey-1").is_err(), "a key is never replaced");
        let text = read_text(env.files.as_ref(), &path).unwrap();
        assert_eq!(KeyFile::parse(&text).unwrap().keys.len(), 2);
        assert!(open_service(&env, &KeyServiceConfig::File(path)).is_ok());
        assert!(open_service(&env, &KeyServiceConfig::File(root.path().join("none"))).is_err());
    }
}
