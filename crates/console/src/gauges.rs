//! How things stand now, as gauges: set when somebody looks.

use store::Store;

/// Sets the gauges that follow from the state of `store`.
pub(crate) fn observe(store: &Store) {
    let status = store.status();
    metrics::gauge!("stonecrop_ready").set(if store.is_ready() { 1.0 } else { 0.0 });
    set("stonecrop_disks_in_service", status.disks_in_service as u64);
    set("stonecrop_disks_out_of_service", status.disks_out_of_service as u64);
    set("stonecrop_slots_waiting_for_shards", status.open_slots as u64);
    set("stonecrop_shards_damaged", status.damaged_shards);
    set("stonecrop_body_memory_used_bytes", status.memory_used as u64);
}

fn set(name: &'static str, value: u64) {
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
    let value = value as f64;
    metrics::gauge!(name).set(value);
}
