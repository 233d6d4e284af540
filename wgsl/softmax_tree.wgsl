// Softmax down a tree (Morin & Bengio 2005): a leaf's probability is the product of the sibling softmaxes on its path.
// x (rows, leaves or nodes), y, g (rows, leaves); paths (leaves, depth) lead through nodes and are padded with `nodes`.
// List i of `lists` is members[starts[i]] ... members[starts[i + 1] - 1], of nodes in a group or of leaves below a node.

struct P { rows: u32, nodes: u32, leaves: u32, depth: u32, sets: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read> g: array<f32>;
@group(0) @binding(4) var<storage, read> starts: array<u32>;
@group(0) @binding(5) var<storage, read> members: array<u32>;
@group(0) @binding(6) var<storage, read> paths: array<u32>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;
//: include workgroup

// The mean of the leaves below each node: out (rows, nodes)
@compute @workgroup_size(128)
fn means(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.rows * p.nodes; i += groups.x * GROUP) {
        let node = i % p.nodes;
        var sum = 0.0;
        for (var j = starts[node]; j < starts[node + 1u]; j++) { sum += x[i / p.nodes * p.leaves + members[j]]; }
        out[i] = sum / f32(starts[node + 1u] - starts[node]);
    }
}

// ln softmax of the logits x (rows, nodes) within each group; a workgroup takes a group of a row at a time.
@compute @workgroup_size(128)
fn logs(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    for (var at = group.x; at < p.rows * p.sets; at += groups.x) {
        let row = at / p.sets * p.nodes;
        let first = starts[at % p.sets];
        let end = starts[at % p.sets + 1u];
        var peak = LOWEST;
        for (var j = first + lane; j < end; j += GROUP) { peak = max(peak, x[row + members[j]]); }
        peak = largest(peak, lane);
        var sum = 0.0;
        for (var j = first + lane; j < end; j += GROUP) { sum += exp(x[row + members[j]] - peak); }
        let all = log(total(sum, lane));
        for (var j = first + lane; j < end; j += GROUP) { out[row + members[j]] = x[row + members[j]] - peak - all; }
    }
}

// The products, from the logs x (rows, nodes): out (rows, leaves)
@compute @workgroup_size(128)
fn products(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.rows * p.leaves; i += groups.x * GROUP) {
        var sum = 0.0;
        for (var d = 0u; d < p.depth; d++) {
            let node = paths[i % p.leaves * p.depth + d];
            if (node < p.nodes) { sum += x[i / p.leaves * p.nodes + node]; }
        }
        out[i] = exp(sum);
    }
}

// The gradient of each node's log: g y of the leaves below it, out (rows, nodes)
@compute @workgroup_size(128)
fn below(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.rows * p.nodes; i += groups.x * GROUP) {
        let node = i % p.nodes;
        var sum = 0.0;
        for (var j = starts[node]; j < starts[node + 1u]; j++) {
            let leaf = i / p.nodes * p.leaves + members[j];
            sum += g[leaf] * y[leaf];
        }
        out[i] = sum;
    }
}

// out (rows, nodes), the logs' gradients, becomes that of the logits; x (rows, nodes) are the logs.
@compute @workgroup_size(128)
fn backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
    for (var at = group.x; at < p.rows * p.sets; at += groups.x) {
        let row = at / p.sets * p.nodes;
        let first = starts[at % p.sets];
        let end = starts[at % p.sets + 1u];
        var sum = 0.0;
        for (var j = first + lane; j < end; j += GROUP) { sum += out[row + members[j]]; }
        sum = total(sum, lane);
        for (var j = first + lane; j < end; j += GROUP) { out[row + members[j]] -= exp(x[row + members[j]]) * sum; }
    }
}

// The gradient of leaves whose means the logits were: their shares of x (rows, nodes) along the path, out (rows, leaves)
@compute @workgroup_size(128)
fn shares(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.rows * p.leaves; i += groups.x * GROUP) {
        var sum = 0.0;
        for (var d = 0u; d < p.depth; d++) {
            let node = paths[i % p.leaves * p.depth + d];
            if (node < p.nodes) { sum += x[i / p.leaves * p.nodes + node] / f32(starts[node + 1u] - starts[node]); }
        }
        out[i] = sum;
    }
}
