//! The planner: a whole placement, and what it costs when one disk or one node comes or goes.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use placement::{DiskId, DiskSpec, DiskState, NodeId, Profile, RackId, Table, plan};

/// A fleet of `nodes` nodes with `disks_per_node` equal disks each, ten nodes a rack, and the groups it is planned with.
struct Fleet {
    nodes: u64,
    disks_per_node: u64,
    groups: usize,
}

const FLEETS: [Fleet; 3] = [
    Fleet { nodes: 4, disks_per_node: 4, groups: 256 },
    Fleet { nodes: 8, disks_per_node: 12, groups: 256 },
    Fleet { nodes: 50, disks_per_node: 20, groups: 4096 },
];

fn disk(node: u64, slot: u64) -> DiskSpec {
    DiskSpec {
        id: DiskId(u128::from(node) << 32 | u128::from(slot)),
        node: NodeId(node),
        rack: RackId(u32::try_from(node / 10).expect("a few nodes")),
        weight: 100,
        state: DiskState::In,
    }
}

impl Fleet {
    fn disks(&self) -> Vec<DiskSpec> {
        (0..self.nodes).flat_map(|node| (0..self.disks_per_node).map(move |slot| disk(node, slot))).collect()
    }

    /// A table without holders, with as many groups as this fleet shall have.
    fn vacant(&self) -> Table {
        let profile = Profile::new(8, 4).expect("a profile");
        let table =
            (1..).map(|scale| Table::vacant(profile, 16 * scale)).find(|table| self.groups <= table.groups().len());
        table.expect("the number of groups grows with the disks")
    }
}

fn planner(criterion: &mut Criterion) {
    for fleet in FLEETS {
        let disks = fleet.disks();
        let vacant = fleet.vacant();
        let mut placed = vacant.clone();
        placed.apply(&plan(&vacant, &disks)).expect("the plan is legal");

        let with = |more: Vec<DiskSpec>| disks.iter().copied().chain(more).collect::<Vec<_>>();
        let without = |gone: &dyn Fn(&DiskSpec) -> bool| disks.iter().copied().filter(|disk| !gone(disk)).collect();
        let new_node = (0..fleet.disks_per_node).map(|slot| disk(fleet.nodes, slot)).collect();
        let cases: [(&str, &Table, Vec<DiskSpec>); 6] = [
            ("everything", &vacant, disks.clone()),
            ("nothing to do", &placed, disks.clone()),
            ("one disk more", &placed, with(vec![disk(0, fleet.disks_per_node)])),
            ("one disk less", &placed, without(&|gone| gone.id == disks[1].id)),
            ("one node more", &placed, with(new_node)),
            ("one node less", &placed, without(&|gone| gone.node == NodeId(1))),
        ];
        let mut group = criterion.benchmark_group(format!("plan {} groups on {} disks", fleet.groups, disks.len()));
        group.sample_size(10).measurement_time(Duration::from_secs(2));
        for (name, table, disks) in cases {
            group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
                bencher.iter(|| black_box(plan(table, &disks)));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, planner);
criterion_main!(benches);
