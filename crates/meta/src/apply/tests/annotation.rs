//! Annotations: what the histories do not reach.

use std::collections::BTreeMap;

use super::fixture::Fixture;
use crate::command::{
    ANNOTATION_COUNT_MAX, ANNOTATION_NAME_SIZE_MAX, Command, NewAnnotation, Precondition, PutAnnotated, PutAnnotation,
};
use crate::outcome::{InvalidManifest, Outcome, Refusal, Reply};
use crate::query;
use crate::record::{IntentEpoch, VersionName};
use crate::view::{TreeId, View};

fn annotate(fixture: &mut Fixture, key: &str, name: &str, annotation: NewAnnotation) -> Outcome {
    let base = fixture.object(key).unwrap().modified;
    let (bucket, key, name) = (fixture.bucket, key.to_owned(), name.to_owned());
    let (version, precondition) = (VersionName::Null, Precondition::default());
    let command = PutAnnotation { bucket, key, version, base, name, annotation, precondition };
    fixture.apply(Command::PutAnnotation(Box::new(command)))
}

#[test]
fn a_version_has_a_thousand_annotations_at_most_and_takes_all_of_them_with_it() {
    let mut fixture = Fixture::new();
    let put = fixture.inline("a", "body");
    let names = (0..ANNOTATION_COUNT_MAX).map(|number| format!("{number:04}"));
    let annotations: BTreeMap<_, _> = names.map(|name| (name, fixture.annotation(Err(1000)))).collect();
    let mut one_more = PutAnnotated { put: put.clone(), annotations: annotations.clone() };
    one_more.annotations.insert("one more".to_owned(), fixture.annotation(Ok("some body")));
    assert_eq!(fixture.refusal(Command::PutAnnotated(Box::new(one_more))), Refusal::TooManyAnnotations);
    fixture.apply(Command::PutAnnotated(Box::new(PutAnnotated { put, annotations }))).unwrap();
    assert_eq!(fixture.object("a").unwrap().annotations, ANNOTATION_COUNT_MAX);

    let annotation = fixture.annotation(Ok("some body"));
    assert_eq!(annotate(&mut fixture, "a", "one more", annotation), Err(Refusal::TooManyAnnotations));
    let annotation = fixture.annotation(Ok("some body"));
    annotate(&mut fixture, "a", "0007", annotation).unwrap();

    let deletion = fixture.deletion("a");
    fixture.apply(Command::DeleteObject(deletion)).unwrap();
    assert_eq!(fixture.view.records(TreeId::Objects(fixture.bucket)).count(), 0);
    assert_eq!(fixture.retired_writes().len() as u64, ANNOTATION_COUNT_MAX);
}

#[test]
fn what_no_annotation_can_be_is_refused() {
    let mut fixture = Fixture::new();
    let put = fixture.inline("a", "body");
    fixture.put(put).unwrap();
    let invalid = |what| Err(Refusal::InvalidManifest(what));
    let longest = "n".repeat(ANNOTATION_NAME_SIZE_MAX);
    let annotation = fixture.annotation(Ok("some body"));
    assert!(matches!(annotate(&mut fixture, "a", &longest, annotation), Ok(Reply::ObjectPut(_))));
    let annotation = fixture.annotation(Ok("some body"));
    assert_eq!(annotate(&mut fixture, "a", &format!("{longest}n"), annotation), Err(Refusal::InvalidName));
    let mut annotation = fixture.annotation(Err(1000));
    annotation.write_id = fixture.write_id();
    assert_eq!(annotate(&mut fixture, "a", "n", annotation), invalid(InvalidManifest::WriteId));
    let mut annotation = fixture.annotation(Err(1000));
    annotation.record.size += 1;
    assert_eq!(annotate(&mut fixture, "a", "n", annotation), invalid(InvalidManifest::Size));

    // Two annotations cannot be of one write.
    let put = fixture.inline("a", "body");
    let annotation = fixture.annotation(Err(1000));
    let annotations = [("m".to_owned(), annotation.clone()), ("n".to_owned(), annotation)].into();
    let both = Command::PutAnnotated(Box::new(PutAnnotated { put, annotations }));
    assert_eq!(fixture.refusal(both), Refusal::InvalidManifest(InvalidManifest::WriteId));
}

#[test]
fn an_annotation_whose_shards_may_be_collected_is_refused() {
    let mut fixture = Fixture::new();
    let put = fixture.inline("a", "body");
    fixture.put(put).unwrap();
    let annotation = fixture.annotation(Err(1000));
    for from in [fixture.epoch(), IntentEpoch(fixture.epoch().0 + 1)] {
        let advance = crate::command::AdvanceIntentEpoch { from };
        fixture.apply(Command::AdvanceIntentEpoch(advance)).unwrap();
    }
    let refusal = annotate(&mut fixture, "a", "n", annotation).unwrap_err();
    assert!(matches!(refusal, Refusal::IntentEpochPassed { .. }), "{refusal:?}");
}

#[test]
fn the_write_of_an_annotation_leads_to_its_object_and_its_bytes_are_counted() {
    let mut fixture = Fixture::new();
    let put = fixture.inline("a/b", "body");
    fixture.put(put).unwrap();
    let annotation = fixture.annotation(Err(1000));
    let write = annotation.write_id;
    annotate(&mut fixture, "a/b", "n", annotation).unwrap();
    let (view, bucket) = (&fixture.view, fixture.bucket);
    assert_eq!(query::object_of(view, write).unwrap(), Some((bucket, "a/b".to_owned())));
    assert_eq!(query::prefix_usage(view, bucket, "a/").unwrap().bytes, 1004);
    assert_eq!(query::prefix_usage(view, bucket, "b").unwrap().bytes, 0);
    assert_eq!(query::segments(view, None, 10).unwrap().len(), 1);
    assert!(view.cursor(TreeId::Objects(bucket)).unwrap().next().unwrap().is_some());
}
