//! The supply graph in compressed rows, with each pair of suppliers once, in both directions.

#![expect(clippy::indexing_slicing, reason = "suppliers' rows and offsets are bounded once, when the graph is built")]

use std::ops::Range;

use rayon::prelude::*;

/// Edges by one of their ends: those of `node` are at `offsets[node]..offsets[node + 1]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edges {
    offsets: Vec<usize>,
    ends: Vec<u32>,
    weights: Vec<f64>,
}

impl Edges {
    /// Returns the other end and the weight of each edge of `node`, in ascending order of the other end.
    pub(crate) fn of(&self, node: usize) -> impl ExactSizeIterator<Item = (usize, f64)> {
        let Range { start, end } = self.range(node);
        self.ends[start..end].iter().zip(&self.weights[start..end]).map(|(end, weight)| (*end as usize, *weight))
    }

    /// Returns `Σ weight · values[end]` over the edges of `node`, in their order.
    pub(crate) fn weighted_sum(&self, node: usize, values: &[f64]) -> f64 {
        self.of(node).fold(0.0, |sum, (end, weight)| sum + weight * values[end])
    }

    fn range(&self, node: usize) -> Range<usize> {
        self.offsets[node]..self.offsets[node + 1]
    }

    /// Creates edges from sorted ones. Of a node's edges with the same other end, only the heaviest is kept, in
    /// ascending order of the other end.
    fn of_sorted((offsets, mut edges): (Vec<usize>, Vec<(u32, f64)>)) -> Self {
        let parts = parts(&offsets);
        let mut kept: Vec<Vec<usize>> = Vec::new();
        let mut rest = edges.as_mut_slice();
        let mut own = Vec::new();
        for nodes in &parts {
            let part;
            (part, rest) = std::mem::take(&mut rest).split_at_mut(offsets[nodes.end] - offsets[nodes.start]);
            own.push((nodes, part));
        }
        own.into_par_iter()
            .map(|(nodes, part)| {
                let start = offsets[nodes.start];
                nodes.clone().map(|node| merge(&mut part[offsets[node] - start..offsets[node + 1] - start])).collect()
            })
            .collect_into_vec(&mut kept);
        let mut merged = Self { offsets: vec![0], ends: Vec::with_capacity(edges.len()), weights: Vec::new() };
        merged.weights.reserve_exact(edges.len());
        merged.offsets.reserve_exact(offsets.len());
        for (start, kept) in offsets.iter().zip(kept.iter().flatten()) {
            let edges = &edges[*start..start + kept];
            merged.ends.extend(edges.iter().map(|(end, _)| *end));
            merged.weights.extend(edges.iter().map(|(_, weight)| *weight));
            merged.offsets.push(merged.ends.len());
        }
        merged
    }

    /// Returns the same edges by their other end, in ascending order of this one.
    fn turned(&self) -> Self {
        let node_count = self.offsets.len() - 1;
        let edges_of = |node| self.of(node).map(move |(end, weight)| (end as u32, (node as u32, weight)));
        let (offsets, edges) = sorted(node_count, || (0..node_count).flat_map(edges_of));
        let (ends, weights) = rayon::join(
            || edges.iter().map(|(end, _)| *end).collect(),
            || edges.iter().map(|(_, weight)| *weight).collect(),
        );
        Self { offsets, ends, weights }
    }
}

/// Sorts edges, given as node, other end and weight, by node, and keeps the order of those with the same node. Returns
/// where the edges of each node begin, and the edges.
///
/// Each thread reads all edges and places those of its own nodes. Placing takes most of the time, as the places are
/// scattered in memory.
fn sorted<E: Iterator<Item = (u32, (u32, f64))>>(
    node_count: usize,
    edges: impl Fn() -> E + Sync,
) -> (Vec<usize>, Vec<(u32, f64)>) {
    let mut offsets = vec![0; node_count + 1];
    for (node, _) in edges() {
        offsets[node as usize + 1] += 1;
    }
    for node in 0..node_count {
        offsets[node + 1] += offsets[node];
    }
    let mut placed = vec![(0, 0.0); offsets[node_count]];
    rayon::scope(|scope| {
        let mut rest = placed.as_mut_slice();
        for nodes in parts(&offsets) {
            let start = offsets[nodes.start];
            let part;
            (part, rest) = std::mem::take(&mut rest).split_at_mut(offsets[nodes.end] - start);
            let (offsets, edges) = (&offsets, &edges);
            scope.spawn(move |_| {
                let mut next: Vec<_> = offsets[nodes.clone()].iter().map(|offset| offset - start).collect();
                for (node, edge) in edges().filter(|(node, _)| nodes.contains(&(*node as usize))) {
                    let place = &mut next[node as usize - nodes.start];
                    part[*place] = edge;
                    *place += 1;
                }
            });
        }
    });
    (offsets, placed)
}

/// Divides the nodes into ranges with about as many edges each, one per thread.
fn parts(offsets: &[usize]) -> Vec<Range<usize>> {
    let (node_count, edge_count) = (offsets.len() - 1, offsets.last().copied().unwrap_or_default());
    let count = rayon::current_num_threads().min(edge_count / MIN_EDGES_PER_PART).max(1);
    let cut = |part: usize| offsets.partition_point(|offset| *offset < part * edge_count / count).min(node_count);
    (0..count).map(|part| cut(part)..if part + 1 < count { cut(part + 1) } else { node_count }).collect()
}

/// Sorts a node's edges by their other end, and keeps only the heaviest of those with the same one. Returns how many
/// are left, which are at the front.
fn merge(edges: &mut [(u32, f64)]) -> usize {
    edges.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
    let mut kept = 0;
    for edge in 0..edges.len() {
        if kept == 0 || edges[kept - 1].0 != edges[edge].0 {
            edges[kept] = edges[edge];
            kept += 1;
        }
    }
    kept
}

/// Fewer edges are not worth a thread.
const MIN_EDGES_PER_PART: usize = 1 << 16;

/// A supply between suppliers. `weight` is the chance that the upstream one passes its stop on to the downstream one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Supply {
    pub(crate) upstream: u32,
    pub(crate) downstream: u32,
    pub(crate) weight: f64,
}

/// Which supplier can stop which.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph {
    /// By the supplier that is stopped: its upstream suppliers.
    pub(crate) upstream: Edges,
    /// By the supplier that stops: its downstream suppliers.
    pub(crate) downstream: Edges,
}

impl Graph {
    /// Builds the graph from supplies in any order. Of parallel ones, the largest weight counts.
    pub(crate) fn new(node_count: usize, supplies: &[Vec<Supply>]) -> Self {
        let by_downstream = sorted(node_count, || {
            supplies.iter().flatten().map(|supply| (supply.downstream, (supply.upstream, supply.weight)))
        });
        let upstream = Edges::of_sorted(by_downstream);
        Self { downstream: upstream.turned(), upstream }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parallel_rows_become_one_edge_and_both_ways_agree() {
        let supplies = [(2, 1, 0.2), (0, 1, 0.1), (0, 3, 0.3), (2, 1, 0.5), (3, 0, 0.4)];
        let supplies = supplies.map(|(upstream, downstream, weight)| Supply { upstream, downstream, weight });
        let graph = Graph::new(4, &[supplies[..2].to_vec(), supplies[2..].to_vec()]);

        let upstream: Vec<Vec<_>> = (0..4).map(|node| graph.upstream.of(node).collect()).collect();
        let downstream: Vec<Vec<_>> = (0..4).map(|node| graph.downstream.of(node).collect()).collect();

        assert_eq!(upstream, [vec![(3, 0.4)], vec![(0, 0.1), (2, 0.5)], vec![], vec![(0, 0.3)]]);
        assert_eq!(downstream, [vec![(1, 0.1), (3, 0.3)], vec![], vec![(1, 0.5)], vec![(0, 0.4)]]);
    }
}
