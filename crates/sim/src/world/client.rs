//! Clients: random operations on a few keys, and the last look at everything.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use md5::{Digest, Md5};
use parking_lot::Mutex;
use store::body::{Body, StreamBody};
use store::bucket::{Bucket, NewBucket};
use store::list::ListRequest;
use store::multipart::{CompleteRequest, CompletedPart, CreateUploadRequest};
use store::put::{ExpectedBody, PutRequest};
use store::{Deletion, Error, Etag, EtagCondition, GetRequest, Precondition, Store};

use super::door::Missed;
use super::history::{Begun, History};
use super::linear::{Condition, Effect};
use super::machine::Machine;
use crate::dice::Dice;
use crate::oracle::{Violation, Written};

const BUCKET: &str = "world";
/// Keys in use at a time: few, so that clients meet.
const KEYS: u64 = 5;
/// Around the borders of inline bodies, blocks and stripes. None is empty: no two bodies are equal.
const SIZES: [usize; 8] = [16, 900, 16_384, 16_385, 65_537, 200_000, 700_001, 1_500_000];
const PART_SIZE: usize = 5 << 20;
/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why an operation has no result.
enum Failed {
    Missed(Missed),
    TimedOut,
    Store(Error),
}

/// A client.
pub(super) struct Client {
    number: usize,
    machines: Arc<Vec<Arc<Machine>>>,
    history: Arc<Mutex<History>>,
    dice: Dice,
    sequence: u64,
}

impl Client {
    pub(super) fn new(
        number: usize,
        machines: Arc<Vec<Arc<Machine>>>,
        history: Arc<Mutex<History>>,
        seed: u64,
    ) -> Self {
        Self { number, machines, history, dice: Dice::new(seed), sequence: 0 }
    }

    /// Creates the bucket; tries until it is there.
    pub(super) async fn prepare(&self) {
        loop {
            let created =
                self.visit(|store| async move { store.create_bucket(NewBucket::new(BUCKET, "root")).await.map(drop) });
            if let Ok(()) | Err(Failed::Store(Error::BucketExists)) = created.await {
                return;
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Works until virtual time `until`.
    pub(super) async fn work(mut self, until: Duration) -> Result<(), Violation> {
        while turmoil::elapsed() < until {
            sleep(Duration::from_millis(self.dice.below(60))).await;
            let key = self.key();
            match self.dice.below(100) {
                0..22 => self.put(&key, Condition::Always).await?,
                22..30 => self.put(&key, Condition::Absent).await?,
                30..44 => {
                    let version = self.history.lock().some_version(&key, |bound| self.choose_version(bound));
                    self.put(&key, version.map_or(Condition::Absent, Condition::Is)).await?;
                }
                44..54 => self.delete(&key).await?,
                54..82 => drop(self.get(&key).await?),
                82..90 => drop(self.head(&key).await?),
                90..98 => drop(self.list().await?),
                _ => self.multipart(&key).await?,
            }
        }
        Ok(())
    }

    /// Reads everything once more, at a time when nothing fails any more.
    ///
    /// # Errors
    ///
    /// [`Violation`] when something stays unreadable until `deadline`.
    pub(super) async fn look(self, deadline: Duration) -> Result<(), Violation> {
        let keys = self.history.lock().keys();
        for key in &keys {
            while !self.get(key).await? {
                if deadline < turmoil::elapsed() {
                    return Err(Violation(format!("{key} stays unreadable though nothing fails any more")));
                }
                sleep(Duration::from_millis(500)).await;
            }
        }
        while !self.list().await? {
            if deadline < turmoil::elapsed() {
                return Err(Violation("there is no listing though nothing fails any more".to_owned()));
            }
            sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }

    /// A key that takes more operations.
    fn key(&self) -> String {
        let number = self.dice.below(KEYS);
        let history = self.history.lock();
        let generations = (0_u32..).map(|generation| format!("key-{number}-{generation:03}"));
        generations.into_iter().find(|key| history.has_room(key)).expect("generations do not end")
    }

    /// A version of that many, to put a condition on: mostly the newest, which may be the current one.
    fn choose_version(&self, count: u64) -> u64 {
        if self.dice.below(4) == 0 { self.dice.below(count) } else { count - 1 }
    }

    async fn visit<T, F>(&self, work: impl FnOnce(Store) -> F + Send + 'static) -> Result<T, Failed>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let machine = self.dice.below(self.machines.len() as u64);
        let machine = &self.machines[usize::try_from(machine).expect("below a length")];
        match tokio::time::timeout(PATIENCE, machine.door.visit(|node| work(node.store))).await {
            Ok(Ok(result)) => result.map_err(Failed::Store),
            Ok(Err(missed)) => Err(Failed::Missed(missed)),
            Err(_) => Err(Failed::TimedOut),
        }
    }

    fn fresh(&mut self, size: usize) -> Written {
        self.sequence += 1;
        Written { writer: self.number as u64, sequence: self.sequence, size }
    }

    fn begin(&self, key: &str, effect: Effect) -> Begun {
        let mut history = self.history.lock();
        history.note(now(), &format!("client {} {key} {effect:?}", self.number));
        history.begin(key, effect)
    }

    /// Takes note of how a write ended that began with `effect`.
    fn end_write<T>(&self, begun: &Begun, effect: Effect, result: &Result<T, Failed>) -> Result<(), Violation> {
        let mut history = self.history.lock();
        let Effect::Write { condition, .. } = effect else { unreachable!("writes write") };
        let outcome = match result {
            Ok(_) => {
                history.end(begun, effect);
                "done".to_owned()
            }
            Err(Failed::Store(Error::PreconditionFailed { .. } | Error::NoSuchKey)) => {
                if condition == Condition::Always {
                    return Err(Violation("a condition failed that nobody made".to_owned()));
                }
                history.end(begun, Effect::Refused { condition });
                "refused".to_owned()
            }
            Err(Failed::Missed(Missed::Refused)) => {
                history.forget(begun);
                "not taken".to_owned()
            }
            Err(Failed::Store(error)) => format!("unknown: {error}"),
            Err(Failed::Missed(Missed::Lost)) => "lost".to_owned(),
            Err(Failed::TimedOut) => "timed out".to_owned(),
        };
        history.note(now(), &format!("client {} {outcome}", self.number));
        Ok(())
    }

    async fn put(&mut self, key: &str, condition: Condition) -> Result<(), Violation> {
        let size = self.dice.pick(&SIZES);
        let written = self.fresh(size);
        let content = written.content();
        let etag = Etag::Md5(Md5::digest(&content).into());
        let version = self.history.lock().add_version(key, written, etag.clone());
        let effect = Effect::Write { version: Some(version), condition };
        let request = PutRequest { condition: self.precondition(key, condition), ..PutRequest::default() };
        let body = self.body(content);
        let begun = self.begin(key, effect);
        let owned = key.to_owned();
        let put =
            self.visit(|store| async move { store.put_object(&bucket(&store).await?, &owned, request, body).await });
        let result = put.await;
        self.end_write(&begun, effect, &result)?;
        match result {
            Ok(result) if result.etag != etag => Err(Violation(format!("{key}: the tag of the answer is another"))),
            _ => Ok(()),
        }
    }

    /// `content`, now and then with a pause in the middle.
    fn body(&self, content: Bytes) -> Box<dyn Body> {
        if self.dice.below(6) != 0 {
            return Box::new(content);
        }
        let (pause, mut rest) = (self.dice.millis(200, 4000), content);
        let begin = rest.split_to(rest.len() / 2);
        let end = stream::once(async move {
            sleep(pause).await;
            Ok(rest)
        });
        Box::new(StreamBody(stream::iter([Ok(begin)]).chain(end).boxed()))
    }

    fn precondition(&self, key: &str, condition: Condition) -> Precondition {
        match condition {
            Condition::Always => Precondition::default(),
            Condition::Absent => Precondition { if_none_match: Some(EtagCondition::Any), ..Precondition::default() },
            Condition::Is(version) => {
                let (_, etag) = self.history.lock().written(key, version);
                Precondition { if_match: Some(EtagCondition::OneOf(vec![etag])), ..Precondition::default() }
            }
        }
    }

    async fn delete(&self, key: &str) -> Result<(), Violation> {
        let effect = Effect::Write { version: None, condition: Condition::Always };
        let begun = self.begin(key, effect);
        let owned = key.to_owned();
        let result =
            self.visit(|store| async move { store.delete_object(&bucket(&store).await?, Deletion::of(&owned)).await });
        self.end_write(&begun, effect, &result.await)
    }

    async fn multipart(&mut self, key: &str) -> Result<(), Violation> {
        let written = self.fresh(PART_SIZE + 1000);
        let content = written.content();
        let pieces = [content.slice(..PART_SIZE), content.slice(PART_SIZE..)];
        let digests = pieces.each_ref().map(|piece| <[u8; 16]>::from(Md5::digest(piece)));
        let etag = Etag::Multipart { md5: Md5::digest(digests.concat()).into(), part_count: 2 };
        let version = self.history.lock().add_version(key, written, etag);
        let effect = Effect::Write { version: Some(version), condition: Condition::Always };
        let begun = self.begin(key, effect);
        let owned = key.to_owned();
        let repeats = self.dice.below(2) == 0;
        let result = self.visit(move |store| async move { upload(&store, &owned, pieces, repeats).await }).await;
        self.end_write(&begun, effect, &result)?;
        match result {
            Ok(Completed::Forgotten) => Err(Violation(format!("{key}: a completed upload is not remembered"))),
            _ => Ok(()),
        }
    }

    /// Reads a key; whether there was an answer.
    async fn get(&self, key: &str) -> Result<bool, Violation> {
        let begun = self.begin(key, Effect::Read(None));
        let owned = key.to_owned();
        let result = self.visit(|store| async move { read(&store, &owned).await });
        let found = match result.await {
            Ok((etag, body)) => {
                let history = self.history.lock();
                let version = history.version_of(key, &etag)?;
                let (written, _) = history.written(key, version);
                if written.content() != body {
                    return Err(Violation(format!("{key}: {} bytes are not those of {written:?}", body.len())));
                }
                Ok(Some(version))
            }
            Err(Failed::Store(Error::NoSuchKey)) => Ok(None),
            Err(failed) => Err(failed),
        };
        Ok(self.end_read(&begun, found))
    }

    async fn head(&self, key: &str) -> Result<bool, Violation> {
        let begun = self.begin(key, Effect::Read(None));
        let owned = key.to_owned();
        let result =
            self.visit(
                |store| async move { store.head_range(&bucket(&store).await?, &owned, GetRequest::default()).await },
            );
        let found = match result.await {
            Ok(selection) => Ok(Some(self.history.lock().version_of(key, &selection.object.etag)?)),
            Err(Failed::Store(Error::NoSuchKey)) => Ok(None),
            Err(failed) => Err(failed),
        };
        Ok(self.end_read(&begun, found))
    }

    fn end_read(&self, begun: &Begun, found: Result<Option<u32>, Failed>) -> bool {
        let mut history = self.history.lock();
        let outcome = match &found {
            Ok(found) => {
                history.end(begun, Effect::Read(*found));
                format!("found {found:?}")
            }
            Err(failed) => {
                history.forget(begun);
                match failed {
                    Failed::Store(error) => format!("found nothing out: {error}"),
                    Failed::Missed(_) | Failed::TimedOut => "found nothing out".to_owned(),
                }
            }
        };
        history.note(now(), &format!("client {} {outcome}", self.number));
        found.is_ok()
    }

    /// Lists the bucket: a read of every key at once. Whether there was an answer.
    async fn list(&self) -> Result<bool, Violation> {
        let keys = self.history.lock().keys();
        let begun: Vec<(String, Begun)> = {
            let open = keys.into_iter().filter(|key| self.history.lock().has_room(key));
            open.map(|key| (key.clone(), self.history.lock().begin(&key, Effect::Read(None)))).collect()
        };
        self.history.lock().note(now(), &format!("client {} lists", self.number));
        let request = ListRequest { limit: 1000, ..ListRequest::default() };
        let result =
            self.visit(|store| async move { store.list_objects(&bucket(&store).await?, &request).await }).await;
        let Ok(page) = result else {
            begun.iter().for_each(|(_, begun)| self.history.lock().forget(begun));
            self.history.lock().note(now(), &format!("client {} has no listing", self.number));
            return Ok(false);
        };
        let mut history = self.history.lock();
        let mut found = Vec::new();
        for object in &page.objects {
            found.push((object.key.clone(), history.version_of(&object.key, &object.etag)?));
        }
        if !found.is_sorted() {
            return Err(Violation("a listing is not in order".to_owned()));
        }
        for (key, begun) in &begun {
            let version = found.iter().find(|(found, _)| found == key).map(|(_, version)| *version);
            history.end(begun, Effect::Read(version));
        }
        history.note(now(), &format!("client {} listed {found:?}", self.number));
        Ok(true)
    }
}

/// The time of the whole simulation; `turmoil::elapsed` begins with each client.
fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "tokio's time is the simulation's")]
async fn sleep(span: Duration) {
    tokio::time::sleep(span).await;
}

/// What a client hears that completes an upload again.
enum Completed {
    Known,
    Forgotten,
}

/// Uploads in parts. `repeats` completes it twice, as clients do that have missed the answer.
async fn upload(store: &Store, key: &str, pieces: [Bytes; 2], repeats: bool) -> Result<Completed, Error> {
    let bucket = bucket(store).await?;
    let upload = store.create_upload(&bucket, key, CreateUploadRequest::default()).await?;
    let mut parts = Vec::new();
    for (number, piece) in (1..).zip(pieces) {
        let part = store.put_part(&bucket, &upload.id, number, ExpectedBody::default(), Box::new(piece)).await?;
        parts.push(CompletedPart { number, etag: part.etag.to_string(), checksum: None });
    }
    let request = CompleteRequest { parts, ..CompleteRequest::default() };
    store.complete_upload(&bucket, &upload.id, request.clone()).await?;
    let again = if repeats { store.complete_upload(&bucket, &upload.id, request).await.err() } else { None };
    Ok(if let Some(Error::NoSuchUpload) = again { Completed::Forgotten } else { Completed::Known })
}

/// Finds the bucket anew for each request, as the front door does.
async fn bucket(store: &Store) -> Result<Bucket, Error> {
    store.head_bucket(BUCKET).await
}

async fn read(store: &Store, key: &str) -> Result<(Etag, Bytes), Error> {
    let reader = store.get_object(&bucket(store).await?, key, GetRequest::default()).await?;
    let whole = reader.body.try_fold(Vec::new(), |mut whole, chunk| async move {
        whole.extend_from_slice(&chunk);
        Ok(whole)
    });
    Ok((reader.object.etag, whole.await?.into()))
}
