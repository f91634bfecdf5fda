//! The supply graph in compressed rows, each pair of suppliers once, both ways round.

#![expect(clippy::indexing_slicing, reason = "suppliers' rows and offsets are bounded once, when the graph is built")]

use std::ops::Range;

/// Edges by one of their ends: those of `node` lie at `offsets[node]..offsets[node + 1]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edges {
    offsets: Vec<usize>,
    ends: Vec<u32>,
    weights: Vec<f64>,
}

impl Edges {
    /// The other end and the weight of each edge of `node`, in ascending order of the other end.
    pub(crate) fn of(&self, node: usize) -> impl ExactSizeIterator<Item = (usize, f64)> {
        let Range { start, end } = self.range(node);
        self.ends[start..end].iter().zip(&self.weights[start..end]).map(|(end, weight)| (*end as usize, *weight))
    }

    /// `Σ weight · values[end]` over the edges of `node`, in their order.
    pub(crate) fn weighted_sum(&self, node: usize, values: &[f64]) -> f64 {
        self.of(node).fold(0.0, |sum, (end, weight)| sum + weight * values[end])
    }

    fn range(&self, node: usize) -> Range<usize> {
        self.offsets[node]..self.offsets[node + 1]
    }

    /// Sorts edges, given as key, other end and weight, by key, and keeps the order of those with the same one.
    ///
    /// Each thread goes over all of them and places those of its own keys: the places are what takes time, as they lie
    /// anywhere in memory.
    fn sorted<E: Iterator<Item = (u32, u32, f64)>>(node_count: usize, edges: impl Fn() -> E + Sync) -> Self {
        let mut offsets = vec![0; node_count + 1];
        for (key, ..) in edges() {
            offsets[key as usize + 1] += 1;
        }
        for node in 0..node_count {
            offsets[node + 1] += offsets[node];
        }
        let edge_count = offsets[node_count];
        let (mut ends, mut weights) = (vec![0; edge_count], vec![0.0; edge_count]);
        let part_count = rayon::current_num_threads().min(edge_count / EDGES_A_PART).max(1);
        let cuts =
            (0..part_count).map(|part| offsets.partition_point(|offset| *offset < part * edge_count / part_count));
        let cuts: Vec<_> = cuts.map(|node| node.min(node_count)).chain([node_count]).collect();
        rayon::scope(|scope| {
            let (mut rest_ends, mut rest_weights) = (ends.as_mut_slice(), weights.as_mut_slice());
            for nodes in cuts.windows(2) {
                let nodes = nodes[0]..nodes[1];
                let placed = offsets[nodes.start]..offsets[nodes.end];
                let (own_ends, own_weights);
                (own_ends, rest_ends) = std::mem::take(&mut rest_ends).split_at_mut(placed.len());
                (own_weights, rest_weights) = std::mem::take(&mut rest_weights).split_at_mut(placed.len());
                let (offsets, edges) = (&offsets, &edges);
                scope.spawn(move |_| {
                    let mut next: Vec<_> = offsets[nodes.clone()].iter().map(|offset| offset - placed.start).collect();
                    for (key, end, weight) in edges().filter(|(key, ..)| nodes.contains(&(*key as usize))) {
                        let place = &mut next[key as usize - nodes.start];
                        own_ends[*place] = end;
                        own_weights[*place] = weight;
                        *place += 1;
                    }
                });
            }
        });
        Self { offsets, ends, weights }
    }

    /// The same edges by their other end, in ascending order of this one.
    fn turned(&self) -> Self {
        let node_count = self.offsets.len() - 1;
        let edges_of = |node| self.of(node).map(move |(end, weight)| (end as u32, node as u32, weight));
        Self::sorted(node_count, || (0..node_count).flat_map(edges_of))
    }

    /// Keeps, of the edges between the same two nodes, one with the largest weight.
    fn merge(&mut self) {
        let mut kept = 0;
        let mut start = 0;
        for node in 0..self.offsets.len() - 1 {
            let first = kept;
            let edges = start..self.offsets[node + 1];
            start = edges.end;
            for edge in edges {
                if kept > first && self.ends[kept - 1] == self.ends[edge] {
                    self.weights[kept - 1] = self.weights[kept - 1].max(self.weights[edge]);
                } else {
                    (self.ends[kept], self.weights[kept]) = (self.ends[edge], self.weights[edge]);
                    kept += 1;
                }
            }
            self.offsets[node + 1] = kept;
        }
        self.ends.truncate(kept);
        self.weights.truncate(kept);
    }
}

/// Fewer edges are not worth a thread.
const EDGES_A_PART: usize = 1 << 16;

/// A supply between suppliers: with what chance, in `weight`, the one passes its stop on to the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Supply {
    pub(crate) upstream: u32,
    pub(crate) downstream: u32,
    pub(crate) weight: f64,
}

/// Who can stop whom.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph {
    /// By the supplier that is stopped: its upstream suppliers.
    pub(crate) upstream: Edges,
    /// By the supplier that stops: its downstream suppliers.
    pub(crate) downstream: Edges,
}

impl Graph {
    /// Builds the graph of supplies, in any order.
    ///
    /// Of parallel ones the largest weight counts.
    pub(crate) fn new(node_count: usize, supplies: &[Vec<Supply>]) -> Self {
        // Sorted by upstream and then turned, edges come by downstream with their upstreams ascending.
        let by_upstream = Edges::sorted(node_count, || {
            supplies.iter().flatten().map(|supply| (supply.upstream, supply.downstream, supply.weight))
        });
        let mut upstream = by_upstream.turned();
        drop(by_upstream);
        upstream.merge();
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
