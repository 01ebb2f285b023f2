//! A short series of power cuts; `cargo run --release -p sim` runs long ones.

use sim::PowerCuts;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_on_any_number_of_disks() {
    for (disk_count, cuts) in [(1, 15), (3, 15), (6, 30)] {
        let counts = PowerCuts { cuts, disk_count, seed: 42 }.run().await.unwrap();
        assert!(counts.cuts == cuts && 0 < counts.acknowledged && 0 < counts.checked, "{counts:?}");
    }
}
