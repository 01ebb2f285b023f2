//! What a command asks of the admin address.

use std::os::unix::ffi::OsStrExt;

use http::Method;

use crate::cli::{
    AccountAction, AdminCommand, BucketAction, DiskAction, HealAction, NodeAction, RebalanceAction, ScrubAction,
    TableAction,
};

/// Method and path of the request.
pub(super) fn of(command: &AdminCommand) -> (Method, String) {
    let (method, path) = match command {
        AdminCommand::Info(_) => (Method::GET, "info".to_owned()),
        AdminCommand::Token => (Method::POST, "token".to_owned()),
        AdminCommand::Account(action) => account(action),
        AdminCommand::Disk(action) => (Method::POST, disk(action)),
        AdminCommand::Node(action) => (Method::POST, node(action)),
        AdminCommand::Heal(action) => heal(action),
        AdminCommand::Rebalance(action) => rebalance(action),
        AdminCommand::Scrub(ScrubAction::Status(_)) => (Method::GET, "scrub".to_owned()),
        AdminCommand::Scrub(ScrubAction::Start) => (Method::POST, "scrub/start".to_owned()),
        AdminCommand::Table(TableAction::Show(_)) => (Method::GET, "table".to_owned()),
        AdminCommand::Bucket(action) => bucket(action),
        AdminCommand::SafeToStop { node, .. } => (Method::GET, format!("node/{node}/safe-to-stop")),
    };
    (method, format!("/admin/v1/{path}"))
}

fn account(action: &AccountAction) -> (Method, String) {
    match action {
        AccountAction::List(_) => (Method::GET, "accounts".to_owned()),
        AccountAction::Create { name, email: None, .. } => (Method::POST, format!("account/{name}/create")),
        AccountAction::Create { name, email: Some(email), .. } => {
            (Method::POST, format!("account/{name}/create/{}", hex::encode(email)))
        }
        AccountAction::Remove { name } => (Method::POST, format!("account/{name}/remove")),
    }
}

fn disk(action: &DiskAction) -> String {
    match action {
        DiskAction::Add { node, path } => format!("node/{node}/add-disk/{}", hex::encode(path.as_os_str().as_bytes())),
        DiskAction::Drain { disk } => format!("disk/{disk}/drain"),
        DiskAction::Undrain { disk } => format!("disk/{disk}/undrain"),
        DiskAction::Offline { disk } => format!("disk/{disk}/offline"),
        DiskAction::Online { disk } => format!("disk/{disk}/online"),
        DiskAction::Remove { disk } => format!("disk/{disk}/remove"),
    }
}

/// Both limits are set together: one that is not given is none.
fn bucket(action: &BucketAction) -> (Method, String) {
    let BucketAction::Quota { name, bytes, objects, none, .. } = action;
    if bytes.is_none() && objects.is_none() && !none {
        return (Method::GET, format!("bucket/{name}/quota"));
    }
    let limit = |limit: &Option<u64>| limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
    (Method::POST, format!("bucket/{name}/quota/{}/{}", limit(bytes), limit(objects)))
}

fn heal(action: &HealAction) -> (Method, String) {
    match action {
        HealAction::Status(_) => (Method::GET, "heal".to_owned()),
        HealAction::Start => (Method::POST, "heal/start".to_owned()),
        HealAction::Stop => (Method::POST, "heal/stop".to_owned()),
    }
}

fn rebalance(action: &RebalanceAction) -> (Method, String) {
    match action {
        RebalanceAction::Status(_) => (Method::GET, "rebalance".to_owned()),
        RebalanceAction::Pause => (Method::POST, "rebalance/pause".to_owned()),
        RebalanceAction::Resume => (Method::POST, "rebalance/resume".to_owned()),
    }
}

fn node(action: &NodeAction) -> String {
    match action {
        NodeAction::Drain { node } => format!("node/{node}/drain"),
        NodeAction::Undrain { node } => format!("node/{node}/undrain"),
        NodeAction::Remove { node } => format!("node/{node}/remove"),
    }
}
