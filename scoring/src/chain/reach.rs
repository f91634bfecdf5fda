//! Reach: how many of some suppliers are downstream of each one, exactly, in any graph.
//!
//! Suppliers in a cycle reach the same ones, so each cycle is first folded into one node. The result has no cycles, and
//! the reach of a node is its own members and the union of its successors' reaches, as rows of bits.

#![expect(clippy::indexing_slicing, reason = "suppliers' rows and offsets are bounded once, when the graph is built")]

use std::ops::Range;

use rayon::prelude::*;

use super::graph::Edges;

/// The number of words of bits in all tables together, unless one word per component is more: 128 MiB.
const MAX_TABLE_WORDS: usize = 1 << 24;
/// The maximum number of words in a row of a table, so 4,096 suppliers per block.
const MAX_ROW_WORDS: usize = 64;

/// Returns for each node how many marked ones, other than itself, can be reached from it.
///
/// Takes at most `edges · marked / 64` steps. The counts are whole numbers, so neither blocks nor threads change them.
pub(crate) fn marked_beyond(edges: &Edges, is_marked: &[bool]) -> Vec<usize> {
    let condensed = Condensed::new(edges, is_marked.len());
    let worker_count = rayon::current_num_threads();
    let fitting = MAX_TABLE_WORDS / (condensed.count() * worker_count).max(1);
    condensed.marked_beyond(is_marked, fitting.clamp(1, MAX_ROW_WORDS), worker_count)
}

/// A graph whose strongly connected components are one node each.
///
/// Components are numbered so that every edge leads to a smaller number.
struct Condensed {
    /// The component of each node.
    component: Vec<u32>,
    /// The nodes, component by component.
    members: Vec<u32>,
    /// The edges of component `c` are at `offsets[c]..offsets[c + 1]` of `ends`.
    offsets: Vec<usize>,
    ends: Vec<u32>,
}

impl Condensed {
    fn new(edges: &Edges, node_count: usize) -> Self {
        let (component, members) = components(edges, node_count);
        let mut condensed = Self { component, members, offsets: vec![0], ends: Vec::new() };
        let mut ends: Vec<u32> = Vec::new();
        for group in
            condensed.members.chunk_by(|a, b| condensed.component[*a as usize] == condensed.component[*b as usize])
        {
            let all = group.iter().flat_map(|node| edges.of(*node as usize));
            let own = condensed.offsets.len() as u32 - 1;
            ends.extend(all.map(|(end, _)| condensed.component[end]).filter(|end| *end != own));
            ends.sort_unstable();
            ends.dedup();
            condensed.ends.append(&mut ends);
            condensed.offsets.push(condensed.ends.len());
        }
        condensed
    }

    fn count(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Does what [`marked_beyond`] does, with a number of words per row and of threads.
    fn marked_beyond(&self, is_marked: &[bool], row_words: usize, worker_count: usize) -> Vec<usize> {
        let marked: Vec<u32> = self.members.iter().copied().filter(|node| is_marked[*node as usize]).collect();
        let blocks: Vec<_> = marked.chunks(row_words * u64::BITS as usize).collect();
        let worker_count = worker_count.min(blocks.len());
        let counts = (0..worker_count)
            .into_par_iter()
            .map(|worker| {
                let mut counts = vec![0; self.count()];
                let mut table = Vec::new();
                for block in blocks.iter().skip(worker).step_by(worker_count) {
                    self.add_block(block, row_words, &mut table, &mut counts);
                }
                counts
            })
            .reduce(
                || vec![0; self.count()],
                |mut sums, counts| {
                    sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
                    sums
                },
            );
        let beyond = |node: usize| counts[self.component[node] as usize] as usize - usize::from(is_marked[node]);
        (0..is_marked.len()).map(beyond).collect()
    }

    /// Adds to each component's count how many nodes of a block it reaches, including its own members.
    fn add_block(&self, block: &[u32], row_words: usize, table: &mut Vec<u64>, counts: &mut [u32]) {
        // Marked nodes are in order of component: no component before that of the first one reaches any node of the
        // block.
        let first = block.first().map_or(self.count(), |node| self.component[*node as usize] as usize);
        let row = |component: usize| -> Range<usize> {
            let start = (component - first) * row_words;
            start..start + row_words
        };
        table.clear();
        table.resize((self.count() - first) * row_words, 0);
        for (bit, node) in block.iter().enumerate() {
            let start = row(self.component[*node as usize] as usize).start;
            table[start + bit / u64::BITS as usize] |= 1 << (bit % u64::BITS as usize);
        }
        for (component, count) in counts.iter_mut().enumerate().skip(first) {
            let (below, from_here) = table.split_at_mut(row(component).start);
            let here = &mut from_here[..row_words];
            for end in self.ends[self.offsets[component]..self.offsets[component + 1]].iter().rev() {
                let Some(place) = (*end as usize).checked_sub(first) else { break };
                let there = &below[place * row_words..(place + 1) * row_words];
                here.iter_mut().zip(there).for_each(|(here, there)| *here |= there);
            }
            *count += here.iter().map(|word| word.count_ones()).sum::<u32>();
        }
    }
}

const NONE_YET: u32 = u32::MAX;

/// Returns the strongly connected component of each node, and the nodes component by component.
///
/// Uses Tarjan's algorithm (1972) with an explicit path instead of the call stack, which a long chain would exhaust. A
/// component is numbered once all components that it leads to are.
fn components(edges: &Edges, node_count: usize) -> (Vec<u32>, Vec<u32>) {
    let mut component = vec![NONE_YET; node_count];
    let mut members: Vec<u32> = Vec::with_capacity(node_count);
    let mut count = 0;
    // When each node was met, and the earliest met node without a component that it leads back to.
    let (mut met, mut earliest) = (vec![NONE_YET; node_count], vec![NONE_YET; node_count]);
    let mut met_count = 0;
    let mut open: Vec<u32> = Vec::new();
    let mut path = Vec::new();
    for root in 0..node_count {
        let mut next = Some(root).filter(|root| met[*root] == NONE_YET);
        loop {
            if let Some(node) = next.take() {
                (met[node], earliest[node]) = (met_count, met_count);
                met_count += 1;
                open.push(node as u32);
                path.push((node, edges.of(node)));
            }
            let Some((node, ends)) = path.last_mut() else { break };
            let node = *node;
            match ends.next() {
                Some((end, _)) if met[end] == NONE_YET => next = Some(end),
                Some((end, _)) if component[end] == NONE_YET => earliest[node] = earliest[node].min(met[end]),
                Some(_) => {}
                None => {
                    path.pop();
                    if let Some((before, _)) = path.last() {
                        earliest[*before] = earliest[*before].min(earliest[node]);
                    }
                    if earliest[node] == met[node] {
                        let first = open.iter().rposition(|open| *open as usize == node).unwrap_or_default();
                        open[first..].iter().for_each(|member| component[*member as usize] = count);
                        members.extend(open.drain(first..));
                        count += 1;
                    }
                }
            }
        }
    }
    (component, members)
}

#[cfg(test)]
mod tests {
    use super::super::graph::{Graph, Supply};
    use super::*;

    fn graph(node_count: usize, edges: &[(u32, u32)]) -> Graph {
        let supply =
            |(upstream, downstream): &(u32, u32)| Supply { upstream: *upstream, downstream: *downstream, weight: 1.0 };
        Graph::new(node_count, &[edges.iter().map(supply).collect()])
    }

    /// Computes the same by walking from each node.
    fn walked(graph: &Graph, is_marked: &[bool]) -> Vec<usize> {
        let from = |start: usize| {
            let mut is_seen = vec![false; is_marked.len()];
            let mut open = vec![start];
            while let Some(node) = open.pop() {
                if !std::mem::replace(&mut is_seen[node], true) {
                    open.extend(graph.downstream.of(node).map(|(end, _)| end));
                }
            }
            (0..is_marked.len()).filter(|node| is_seen[*node] && is_marked[*node] && *node != start).count()
        };
        (0..is_marked.len()).map(from).collect()
    }

    #[test]
    fn a_cycle_is_one_component_and_comes_after_what_it_leads_to() {
        let graph = graph(5, &[(0, 1), (1, 2), (2, 0), (2, 3), (4, 0)]);

        let (component, members) = components(&graph.downstream, 5);

        assert_eq!(component, [1, 1, 1, 0, 2]);
        assert_eq!(members, [3, 0, 1, 2, 4]);
        assert_eq!(Condensed::new(&graph.downstream, 5).ends, [0, 1]);
    }

    #[test]
    fn a_long_chain_exhausts_no_stack() {
        let count = 200_000;
        let chain: Vec<_> = (1..count).map(|node| (node - 1, node)).collect();
        let graph = graph(count as usize, &chain);
        let is_marked: Vec<_> = (0..count).map(|node| node % 1000 == 999).collect();

        let beyond = marked_beyond(&graph.downstream, &is_marked);

        assert_eq!((beyond[0], beyond[999], beyond[1000]), (200, 199, 199));
    }

    #[test]
    fn blocks_and_threads_change_no_count() {
        let mut seed = 1u64;
        let mut draw = |below: u32| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((seed >> 33) % u64::from(below)) as u32
        };
        // Edges per hundred nodes: from all nodes separate, over many small cycles, to one cycle of nearly all.
        for density in [0, 50, 90, 110, 150, 300] {
            for share in [2, 5, 20] {
                let count = 300 + draw(100);
                let edges: Vec<_> = (0..count * density / 100)
                    .map(|_| {
                        let (a, b) = (draw(count), draw(count));
                        // Most lead upwards, so that there is more than one large component.
                        if draw(10) > 0 { (a.min(b), a.max(b)) } else { (a, b) }
                    })
                    .filter(|(a, b)| a != b)
                    .collect();
                let graph = graph(count as usize, &edges);
                let is_marked: Vec<_> = (0..count).map(|_| draw(share) == 0).collect();
                let expected = walked(&graph, &is_marked);

                assert_eq!(marked_beyond(&graph.downstream, &is_marked), expected);
                let condensed = Condensed::new(&graph.downstream, count as usize);
                for (row_words, worker_count) in [(1, 1), (1, 3), (2, 2)] {
                    assert_eq!(condensed.marked_beyond(&is_marked, row_words, worker_count), expected);
                }
            }
        }
    }

    #[test]
    fn nothing_reaches_nothing() {
        let graph = graph(0, &[]);
        assert!(marked_beyond(&graph.downstream, &[]).is_empty());
    }
}
