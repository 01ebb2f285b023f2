//! Taking over another node's state: fetching, installing, power cuts at every call.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use env::{Clock, Env, Failure, ManualClock, RealClock, SimFiles};

use super::tests::{check_recovered, check_same, config, effects_of, id, model_of, replay, run};
use super::*;
use crate::log::LogEntry;
use crate::sim::{block_on, case_factor, directories, env_of, new_files};
use crate::view::{BucketId, Edit, TreeId};

const REALM: u128 = 77;

fn open(files: &SimFiles, seed: u64) -> Result<Opened> {
    open_in(&env_of(files, seed), config())
}

fn open_in(env: &Env, config: MetaConfig) -> Result<Opened> {
    block_on(MetaEngine::open(env, &directories(2), MetaConfig { realm: Some(REALM), ..config }))
}

/// A node that went through the entries up to `count`, a multiple of three, and flushed. It collects nothing, so that
/// what it offers changes with flushes only.
fn leader(count: u64) -> Opened {
    let config = MetaConfig { collect_bytes_min: u64::MAX, ..config() };
    let opened = open_in(&env_of(&new_files(2, 1), 1), config).unwrap();
    assert_eq!(run(&opened, 1..count + 1), (count, count));
    block_on(opened.engine.flush()).unwrap();
    opened
}

/// The way to another node, which breaks after some requests.
struct Road {
    to: Arc<MetaEngine>,
    requests_left: AtomicU64,
    bytes: AtomicU64,
}

impl Road {
    fn new(to: &Opened, requests: u64) -> Self {
        Self { to: to.engine.clone(), requests_left: AtomicU64::new(requests), bytes: AtomicU64::new(0) }
    }
}

impl PageSource for Road {
    fn pages(&self, request: PageRequest) -> PagesFuture<'_> {
        Box::pin(async move {
            let left = self.requests_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            left.map_err(|_| Error::Stopping)?;
            let answer = self.to.serve(request.clone()).await?;
            self.bytes.fetch_add((request.wants.len() + answer.len()) as u64, Ordering::SeqCst);
            Ok(answer)
        })
    }
}

fn offer(opened: &Opened) -> Offer {
    block_on(opened.engine.offer()).unwrap().unwrap()
}

/// Takes over what `from` offers.
fn catch_up(opened: &Opened, from: &Opened) -> Result<()> {
    let road = Road::new(from, u64::MAX);
    let offer = offer(from);
    let fetched = block_on(opened.engine.fetch(&offer, &road))?;
    block_on(opened.engine.install(fetched))
}

fn check_taken_over(opened: &Opened, from: &Opened, index: u64, context: &str) {
    check_same(opened.engine.view().as_ref(), &model_of(index), context);
    assert_eq!(opened.engine.effects_hash(), from.engine.effects_hash(), "{context}");
    assert_eq!(opened.engine.membership(), from.engine.membership());
    assert_eq!(opened.engine.compare_effects(&from.engine.effects_marks()), Agreement::Equal { index });
    assert_eq!(offer(opened).state_hash(), offer(from).state_hash(), "{context}");
    let durable = *opened.engine.durable().borrow();
    assert_eq!((durable.newest, durable.purgeable), (Some(id(index)), Some(id(index))));
    let log = opened.log.state();
    assert_eq!((log.purged, log.last), (Some(id(index)), Some(id(index))), "{context}");
}

/// Puts into every tree of a node something that no other node has.
fn diverge(opened: &Opened, index: u64) {
    let trees = [TreeId::Catalog, TreeId::Objects(BucketId(1)), TreeId::Objects(BucketId(9))];
    let put = |(number, tree): (u64, TreeId)| Edit::Put {
        tree,
        key: format!("\u{10}key {:05}", number * 7).into(),
        value: b"diverged"[..].into(),
    };
    let edits: Edits = (0..200).zip(trees.into_iter().cycle()).map(put).collect();
    opened.engine.change(id(index), &[edits], |_, edits| Ok(((), edits.clone()))).unwrap();
}

#[test]
fn a_node_takes_over_a_state_wherever_its_own_is() {
    let from = leader(201);
    for (index, has_diverged) in [(0, false), (30, false), (30, true), (189, false)] {
        let context = format!("from entry {index}, diverged: {has_diverged}");
        let files = new_files(2, 2);
        let opened = open(&files, 2).unwrap();
        run(&opened, 1..index + 1);
        if has_diverged {
            diverge(&opened, index + 1);
            block_on(opened.engine.flush()).unwrap();
        }
        if has_diverged {
            let sound = EffectsMark { id: id(index + 1), effects: effects_of(index + 1) };
            assert_eq!(opened.engine.compare_effects(&[sound]), Agreement::Diverged { index: index + 1 });
        }
        catch_up(&opened, &from).unwrap();
        check_taken_over(&opened, &from, 201, &context);
        // A second time there is nothing to do; then both go on alike, and over a restart.
        catch_up(&opened, &from).unwrap();
        assert_eq!(run(&opened, 202..232), (231, 231), "{context}");
        block_on(opened.engine.close());
        let opened = open(&files, 3).unwrap();
        let found = replay(&opened).unwrap();
        check_recovered(&opened, found, (231, 231), &context);
        block_on(opened.engine.close());
    }
    block_on(from.engine.close());
}

/// Cuts the power at call `crash_at` of taking over a state; `false` once it is done before.
fn check_power_cut(from: &Opened, crash_at: u64) -> bool {
    let context = format!("crash at call {crash_at}");
    let files = new_files(2, 4);
    let opened = open(&files, 4).unwrap();
    assert_eq!(run(&opened, 1..31), (30, 30));
    files.fail_call(files.calls() + crash_at, Failure::Crash);
    let caught_up = catch_up(&opened, from);
    let crashed = caught_up.is_err() || offer(&opened).applied() != id(60);
    let files = files.power_cut(crash_at);
    let opened = open(&files, 5).unwrap_or_else(|error| panic!("{error}: {context}"));
    let found = replay(&opened).unwrap();
    assert!(found == 30 || found == 60, "entry {found} is neither the old nor the new state: {context}");
    assert!(crashed || found == 60, "what was installed is durable: {context}");
    check_recovered(&opened, found, (found, found), &context);
    if found == 60 {
        block_on(opened.log.purge(id(60))).unwrap();
    } else {
        catch_up(&opened, from).unwrap();
        check_taken_over(&opened, from, 60, &context);
    }
    assert_eq!(run(&opened, 61..73), (72, 72), "{context}");
    block_on(opened.engine.close());
    crashed
}

#[test]
fn any_power_cut_leaves_the_old_state_or_the_new_one() {
    let from = leader(60);
    let mut crash_at = 0;
    while check_power_cut(&from, crash_at) {
        crash_at += 1;
    }
    assert!(20 < crash_at, "taking over a state makes more calls than {crash_at}");
    block_on(from.engine.close());
}

#[test]
fn a_fetch_that_broke_off_goes_on_though_both_sides_moved_on() {
    let from = leader(402);
    let opened = open(&new_files(2, 6), 6).unwrap();
    let whole = Road::new(&from, u64::MAX);
    drop(block_on(opened.engine.fetch(&offer(&from), &whole)).unwrap());
    let whole = whole.bytes.load(Ordering::SeqCst);

    let mut bytes = 0;
    for round in 0..50u64 {
        let road = Road::new(&from, 2);
        let offer = offer(&from);
        let fetched = block_on(opened.engine.fetch(&offer, &road));
        bytes += road.bytes.load(Ordering::SeqCst);
        match fetched {
            Ok(fetched) => {
                block_on(opened.engine.install(fetched)).unwrap();
                break;
            }
            Err(error) => assert!(matches!(error, Error::Stopping), "{error}"),
        }
        // Between two attempts the follower flushes, and the leader changes something now and then.
        block_on(opened.engine.flush()).unwrap();
        if round % 2 == 0 && round < 6 {
            run(&from, 403 + round * 3..409 + round * 3);
            block_on(from.engine.flush()).unwrap();
        }
        assert!(round < 40, "no progress");
    }
    assert_eq!(opened.engine.effects_hash(), from.engine.effects_hash());
    assert!(bytes < 2 * whole, "{bytes} bytes in pieces, {whole} at once");
    block_on(opened.engine.close());
    block_on(from.engine.close());
}

#[test]
fn a_state_that_is_not_what_was_offered_is_not_installed() {
    let from = leader(60);
    let opened = open(&new_files(2, 7), 7).unwrap();
    run(&opened, 1..31);
    let offered = offer(&from).with_state_hash([1; 32]);
    let fetched = block_on(opened.engine.fetch(&offered, &Road::new(&from, u64::MAX))).unwrap();
    let refused = block_on(opened.engine.install(fetched));
    assert!(matches!(refused, Err(Error::WrongState { index: 60 })));
    assert_eq!(run(&opened, 31..61), (60, 60));
    check_recovered(&opened, 60, (60, 60), "after the refusal");
    block_on(opened.engine.close());
    block_on(from.engine.close());
}

/// Whether the scrub finds something that is damaged in every copy.
fn finds_loss(opened: &Opened) -> bool {
    let lost_in =
        |found: Result<Option<MetaScrub>>| found.map_or(true, |found| found.is_some_and(|found| 0 < found.lost));
    (0..50).any(|_| lost_in(opened.engine.scrub_next()))
}

#[test]
fn what_is_damaged_in_every_copy_is_taken_from_another_node() {
    let from = leader(60);
    // So many flips leave some pages, or not even a root.
    for (index, has_diverged, flips) in
        [(60, false, 30), (45, false, 30), (30, true, 30), (45, false, 8000), (30, true, 8000)]
    {
        let context = format!("from entry {index}, diverged: {has_diverged}, {flips} flips");
        let files = new_files(2, 9);
        let opened = open(&files, 9).unwrap();
        run(&opened, 1..index + 1);
        block_on(opened.engine.flush()).unwrap();
        assert!(!opened.engine.is_damaged());
        for directory in directories(2) {
            files.flip_bits(&directory.join("packs"), flips, 1);
        }
        if has_diverged {
            // What a leader sent that nobody followed.
            let stray = |index| LogEntry { id: LogId { term: 99, ..id(index) }, kind: 1, payload: Bytes::new() };
            block_on(opened.log.append((31..70).map(stray).collect(), Box::new(|_| {}))).unwrap();
        }
        assert!(finds_loss(&opened) && opened.engine.is_damaged(), "{context}");
        block_on(opened.engine.close());

        let may_regrow = MetaConfig { may_regrow: true, ..config() };
        let opened = open_in(&env_of(&files, 10), may_regrow).unwrap();
        assert!(opened.engine.is_damaged(), "the next start knows it: {context}");
        let offered = block_on(from.engine.offer_since(30)).unwrap().unwrap();
        block_on(opened.engine.regrow(&offered, &Road::new(&from, u64::MAX))).unwrap();
        assert!(!finds_loss(&opened), "{context}");
        check_taken_over(&opened, &from, 60, &context);
        assert_eq!(run(&opened, 61..73), (72, 72), "{context}");
        block_on(opened.engine.close());
        let opened = open(&files, 11).unwrap();
        assert!(!opened.engine.is_damaged(), "{context}");
        check_recovered(&opened, replay(&opened).unwrap(), (72, 72), &context);
        block_on(opened.engine.close());
    }
    assert!(block_on(from.engine.offer_since(61)).unwrap().is_none(), "nobody offers what he does not have");
    block_on(from.engine.close());
}

/// Shows what the first clock shows, and waits as the second does: deadlines that are set aside move no time.
struct StandingClock(ManualClock, RealClock);

impl Clock for StandingClock {
    fn now(&self) -> UnixMillis {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn sleep(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.1.sleep(span)
    }
}

#[test]
fn a_state_is_kept_while_it_is_fetched_and_no_longer() {
    let clock = Arc::new(StandingClock(ManualClock::new(UnixMillis(0)), RealClock::new()));
    let env = Env { clock: clock.clone(), ..env_of(&new_files(2, 1), 1) };
    let from = open_in(&env, MetaConfig { collect_bytes_min: u64::MAX, ..config() }).unwrap();
    run(&from, 1..61);
    block_on(from.engine.flush()).unwrap();
    let opened = open(&new_files(2, 8), 8).unwrap();
    let old = offer(&from);
    let move_on = |first: u64| {
        run(&from, first..first + 120);
        block_on(from.engine.flush()).unwrap();
        // The second one is answered once what follows the first, a collection, is over.
        block_on(from.engine.flush()).unwrap();
    };
    let fetch = |offer: &Offer, requests| block_on(opened.engine.fetch(offer, &Road::new(&from, requests)));
    assert!(matches!(fetch(&old, 1), Err(Error::Stopping)));
    move_on(61);
    assert_eq!(fetch(&old, u64::MAX).unwrap().offer().applied(), old.applied());
    // Nobody asks: it goes. What was offered and never asked for was not kept at all.
    let unasked = offer(&from);
    clock.0.advance(Duration::from_secs(121));
    move_on(181);
    assert!(matches!(fetch(&old, u64::MAX), Err(Error::OfferGone)));
    assert!(matches!(fetch(&unasked, u64::MAX), Err(Error::OfferGone)));
    let newest = offer(&from);
    block_on(opened.engine.install(fetch(&newest, u64::MAX).unwrap())).unwrap();
    assert_eq!(opened.engine.effects_hash(), from.engine.effects_hash());
    block_on(opened.engine.close());
    block_on(from.engine.close());
}

/// The state that an hour's changes to one bucket leave: 63-byte keys, 200-byte values, in entries of 1000.
fn put_objects(opened: &Opened, first_entry: u64, keys: impl Iterator<Item = u64>, value: u8) -> u64 {
    let tree = TreeId::Objects(BucketId(1));
    let key = |number: u64| format!("\u{10}directory-{:06}/an-object-with-a-long-name-{number:016}", number / 50);
    let mut entry = first_entry;
    let mut keys = keys.peekable();
    while keys.peek().is_some() {
        let edits: Edits = keys
            .by_ref()
            .take(1000)
            .map(|number| {
                let value = [&number.to_le_bytes()[..], &[value; 192]].concat().into();
                Edit::Put { tree, key: key(number).into(), value }
            })
            .collect();
        block_on(opened.engine.wait_for_room());
        opened.engine.change(id(entry), &[edits], |_, edits| Ok(((), edits.clone()))).unwrap();
        entry += 1;
    }
    block_on(opened.engine.flush()).unwrap();
    entry
}

/// One key in a hundred changed, all over the bucket: `STONECROP_TEST_CASES=50` makes it a million keys.
#[test]
fn catching_up_costs_less_than_a_twentieth_of_the_tree() {
    let keys = 20_000 * case_factor();
    let config = MetaConfig { overlay_bytes_min: 8 << 20, overlay_bytes_max: 64 << 20, ..MetaConfig::default() };
    let open = |seed| open_in(&env_of(&new_files(2, seed), seed), config).unwrap();
    let (from, opened) = (open(1), open(2));
    let next = put_objects(&from, 1, 0..keys, 1);
    assert_eq!(put_objects(&opened, 1, 0..keys, 1), next);
    let scattered = |number: u64| number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % keys;
    put_objects(&from, next, (0..keys / 100).map(scattered), 2);

    let road = Road::new(&from, u64::MAX);
    let fetched = block_on(opened.engine.fetch(&offer(&from), &road)).unwrap();
    block_on(opened.engine.install(fetched)).unwrap();
    assert_eq!(opened.engine.effects_hash(), from.engine.effects_hash());
    let empty = open(3);
    let whole = Road::new(&from, u64::MAX);
    drop(block_on(empty.engine.fetch(&offer(&from), &whole)).unwrap());
    let [changed, whole] = [&road, &whole].map(|road| road.bytes.load(Ordering::SeqCst));
    println!(
        "{keys} keys, {} changed: {changed} bytes of {whole}, {:.2} %",
        keys / 100,
        100.0 * changed as f64 / whole as f64
    );
    assert!(changed * 20 < whole, "{changed} of {whole} bytes");
    for opened in [from, opened, empty] {
        block_on(opened.engine.close());
    }
}
