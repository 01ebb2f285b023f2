//! Compares the directories with the roster: pure decisions.

use std::path::PathBuf;

use placement::DiskId;

use super::roster::{Entry, Roster};
use super::survey::{Found, Site};
use crate::error::{Error, Result};

/// What to do about one directory or one disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The disk is where `path` says; go on with it.
    Keep {
        /// The disk.
        disk: DiskId,
        /// Where it is, perhaps no longer where it was.
        path: PathBuf,
    },
    /// A disk joins: formatted already when it has an identity.
    Admit {
        /// Where.
        path: PathBuf,
        /// Who it is, if it was formatted before.
        formatted: Option<DiskId>,
        /// The disk that was there and is nowhere now: what it held is to be rebuilt.
        replaces: Option<DiskId>,
    },
    /// A disk of the roster is nowhere.
    Miss {
        /// The disk.
        disk: DiskId,
        /// Why.
        reason: String,
    },
}

/// Refuses what a start must not go on with, although it could.
///
/// # Errors
///
/// [`Error::Unmounted`] for an empty directory where a mounted disk was; the disk's error for an unreadable directory
/// that was never part of the node.
pub(crate) fn refuse(roster: &Roster, sites: &[Site]) -> Result<()> {
    for site in sites.iter().filter(|site| !is_removed(roster, site)) {
        match (&site.found, lost_at(roster, sites, site)) {
            (Found::Blank, Some((_, entry))) if is_unmounted(entry, site) => {
                return Err(Error::Unmounted { path: site.path.clone() });
            }
            (Found::Unreadable(error), None) => return Err(error.clone().into()),
            _ => {}
        }
    }
    Ok(())
}

/// Decides what to do about every site and every disk of the roster. Disks that were removed are left alone, and so are the
/// directories where they were.
pub(crate) fn reconcile(roster: &Roster, sites: &[Site]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut gone = Vec::new();
    for site in sites.iter().filter(|site| !is_removed(roster, site)) {
        let path = || site.path.clone();
        let formatted = identity(site);
        if let Some(disk) = formatted.filter(|disk| roster.disks.get(disk).is_some_and(|entry| !entry.is_out)) {
            steps.push(Step::Keep { disk, path: path() });
            continue;
        }
        let before = lost_at(roster, sites, site);
        match (&site.found, before) {
            (Found::Blank, Some((disk, entry))) if is_unmounted(entry, site) => {
                gone.push((disk, Error::Unmounted { path: path() }.to_string()));
            }
            (Found::Unreadable(error), Some((disk, _))) => gone.push((disk, error.to_string())),
            (Found::Unreadable(error), None) => {
                tracing::warn!(path = %site.path.display(), %error, "directory ignored")
            }
            (Found::Nothing, Some((disk, _))) => gone.push((disk, format!("{:?} does not exist", site.path))),
            (Found::Disk(_) | Found::Blank | Found::Nothing, before) => {
                let replaces = before.map(|(disk, _)| disk);
                steps.push(Step::Admit { path: path(), formatted, replaces });
            }
        }
    }
    let replaced =
        |disk| steps.iter().any(|step| matches!(step, Step::Admit { replaces, .. } if *replaces == Some(disk)));
    let missing: Vec<Step> = roster
        .disks
        .iter()
        .filter(|&(&disk, entry)| !entry.is_out && !is_present(sites, disk) && !replaced(disk))
        .map(|(&disk, entry)| {
            let known = gone.iter().find(|(other, _)| *other == disk);
            let unnamed = || format!("{:?} was not named as a storage directory", entry.path);
            Step::Miss { disk, reason: known.map_or_else(unnamed, |(_, reason)| reason.clone()) }
        })
        .collect();
    steps.extend(missing);
    steps
}

/// The disk that was at `site` and is nowhere now.
fn lost_at<'a>(roster: &'a Roster, sites: &[Site], site: &Site) -> Option<(DiskId, &'a Entry)> {
    roster.at(&site.path).filter(|(disk, _)| !is_present(sites, *disk))
}

/// Whether the disk at `site`, or the one that was there before it became empty, was removed by the operator.
fn is_removed(roster: &Roster, site: &Site) -> bool {
    let entry = match identity(site) {
        Some(disk) => roster.disks.get(&disk),
        None => roster.at(&site.path).map(|(_, entry)| entry),
    };
    entry.is_some_and(|entry| entry.is_removed)
}

fn is_present(sites: &[Site], disk: DiskId) -> bool {
    sites.iter().any(|site| identity(site) == Some(disk))
}

fn is_unmounted(entry: &Entry, site: &Site) -> bool {
    entry.is_mount_point && !site.is_mount_point
}

fn identity(site: &Site) -> Option<DiskId> {
    if let Found::Disk(identity) = &site.found { Some(DiskId(identity.disk_id)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(path: &str, found: Found) -> Site {
        Site { path: path.into(), found, is_mount_point: false }
    }

    fn disk(disk_id: u128) -> Found {
        Found::Disk(disk::DiskIdentity { cluster_id: 5, disk_id })
    }

    fn entry(path: &str) -> Entry {
        Entry { path: path.into(), is_mount_point: false, is_out: false, weight: 1, ..Entry::default() }
    }

    fn roster() -> Roster {
        Roster { disks: [(DiskId(1), entry("/a")), (DiskId(2), entry("/b")), (DiskId(3), entry("/c"))].into() }
    }

    fn admit(path: &str, formatted: Option<u128>, replaces: Option<u128>) -> Step {
        Step::Admit { path: path.into(), formatted: formatted.map(DiskId), replaces: replaces.map(DiskId) }
    }

    fn keep(disk: u128, path: &str) -> Step {
        Step::Keep { disk: DiskId(disk), path: path.into() }
    }

    fn failure() -> Found {
        Found::Unreadable(disk::Error::DamagedSuperblock { path: "/c".into() })
    }

    #[test]
    fn directories_are_told_apart() {
        let (a, b, c) = (|| site("/a", disk(1)), || site("/b", disk(2)), || site("/c", disk(3)));
        let kept = || vec![keep(1, "/a"), keep(2, "/b")];
        let with = |step: Step| [kept(), vec![step]].concat();
        let cases = [
            ("all there", vec![a(), b(), c()], with(keep(3, "/c"))),
            ("moved", vec![a(), b(), site("/d", disk(3))], with(keep(3, "/d"))),
            ("replaced", vec![a(), b(), site("/c", Found::Blank)], with(admit("/c", None, Some(3)))),
            (
                "replaced, formatted before a crash",
                vec![a(), b(), site("/c", disk(9))],
                with(admit("/c", Some(9), Some(3))),
            ),
            (
                "swapped for a blank one while it moved",
                vec![a(), b(), site("/c", Found::Blank), site("/d", disk(3))],
                vec![keep(1, "/a"), keep(2, "/b"), admit("/c", None, None), keep(3, "/d")],
            ),
            (
                "additional",
                vec![a(), b(), c(), site("/d", Found::Nothing)],
                vec![keep(1, "/a"), keep(2, "/b"), keep(3, "/c"), admit("/d", None, None)],
            ),
            (
                "directory gone",
                vec![a(), b(), site("/c", Found::Nothing)],
                with(Step::Miss { disk: DiskId(3), reason: "\"/c\" does not exist".into() }),
            ),
            (
                "unreadable",
                vec![a(), b(), site("/c", failure())],
                with(Step::Miss {
                    disk: DiskId(3),
                    reason: disk::Error::DamagedSuperblock { path: "/c".into() }.to_string(),
                }),
            ),
            (
                "not named",
                vec![a(), b()],
                with(Step::Miss { disk: DiskId(3), reason: "\"/c\" was not named as a storage directory".into() }),
            ),
        ];
        for (name, sites, expected) in cases {
            assert_eq!(reconcile(&roster(), &sites), expected, "{name}");
        }
    }

    #[test]
    fn disk_that_was_given_up_joins_anew() {
        let mut roster = roster();
        roster.disks.get_mut(&DiskId(3)).unwrap().is_out = true;
        let sites = [site("/a", disk(1)), site("/b", disk(2)), site("/c", disk(3))];
        let expected = vec![keep(1, "/a"), keep(2, "/b"), admit("/c", Some(3), None)];
        assert_eq!(reconcile(&roster, &sites), expected);
        assert_eq!(reconcile(&roster, &sites[..2]), expected[..2], "and is not missed");
    }

    #[test]
    fn disk_that_was_removed_stays_away_with_its_directory() {
        let mut roster = roster();
        let entry = roster.disks.get_mut(&DiskId(3)).unwrap();
        (entry.is_out, entry.is_removed, entry.is_mount_point) = (true, true, true);
        let kept = vec![keep(1, "/a"), keep(2, "/b")];
        for found in [disk(3), Found::Blank, Found::Nothing, failure()] {
            let sites = [site("/a", disk(1)), site("/b", disk(2)), site("/c", found)];
            refuse(&roster, &sites).unwrap();
            assert_eq!(reconcile(&roster, &sites), kept, "{:?}", sites[2]);
        }
        let sites = [site("/a", disk(1)), site("/b", disk(2)), site("/c", disk(9))];
        assert_eq!(reconcile(&roster, &sites)[2..], [admit("/c", Some(9), Some(3))], "another disk is no removed one");
    }

    #[test]
    fn empty_mount_point_is_not_taken_for_a_new_disk() {
        let mut roster = roster();
        roster.disks.get_mut(&DiskId(3)).unwrap().is_mount_point = true;
        let sites = [site("/a", disk(1)), site("/b", disk(2)), site("/c", Found::Blank)];
        assert!(matches!(refuse(&roster, &sites), Err(Error::Unmounted { .. })));
        let step = reconcile(&roster, &sites).pop();
        assert!(matches!(step, Some(Step::Miss { disk: DiskId(3), .. })), "{step:?}");
        let mounted = Site { is_mount_point: true, ..sites[2].clone() };
        let sites = [sites[0].clone(), sites[1].clone(), mounted];
        refuse(&roster, &sites).unwrap();
        assert_eq!(reconcile(&roster, &sites).pop(), Some(admit("/c", None, Some(3))));
    }

    #[test]
    fn unknown_unreadable_directory_is_refused() {
        let sites = [site("/c", failure())];
        let outcome = refuse(&Roster::default(), &sites);
        assert_eq!(reconcile(&Roster::default(), &sites), []);
        refuse(&roster(), &sites).unwrap();
        assert!(matches!(outcome, Err(Error::Disk(disk::Error::DamagedSuperblock { .. }))));
    }
}
