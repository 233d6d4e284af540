// Recurrences: each step multiplies what the last one left, its state, by one matrix, and makes the next from the product.
// `sequence`: a workgroup takes four samples through all steps, a unit an invocation, the state in workgroup memory, with
// KEPT the matrix too. `single`: one step; a workgroup has four samples of 32 units, and eight invocations share a sum.
//
// The includer has: IN and OUT, the elements of state and product that a unit has (element e of unit u: e * size + u),
// `length(s)`, the elements that step s multiplies, `state(sample, i, s)`, one of them, and `cell(sample, unit, s, z)`, which
// writes the unit's results for the product z and returns its next state.
//: include maths

struct P { batch: u32, steps: u32, size: u32, count: u32, at: u32, row: u32, column: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> weights: array<f32>;  // element (i, j) of the matrix at i * row + j * column

override KEPT: bool = false;
override LANES: u32 = 256;  // invocations of a workgroup that takes a sequence, at least as many as units
const UNITS: u32 = 32u;
const SLICES: u32 = 8u;
var<workgroup> pool: array<vec4<f32>, 1024>;  // elements of the state, each for four samples; then the matrix

fn states(sample: u32, i: u32, s: u32) -> vec4<f32> {
    var some = vec4<f32>();
    for (var j = 0u; j < 4u && sample + j < p.batch; j++) { some[j] = state(sample + j, i, s); }
    return some;
}

fn weight(i: u32, j: u32) -> f32 {
    if (KEPT) {
        let at = i * OUT * p.size + j;
        return pool[IN * p.size + at / 4u][at % 4u];
    }
    return weights[i * p.row + j * p.column];
}

// Adds element i's share of the unit's product: a column for each element, a row for each sample
fn share(sum: ptr<function, mat4x4<f32>>, values: vec4<f32>, i: u32, unit: u32) {
    for (var e = 0u; e < OUT; e++) { (*sum)[e] += weight(i, e * p.size + unit) * values; }
}

// The next state of the unit, from its products: a column for each element, a row for each sample
fn cells(sample: u32, unit: u32, s: u32, sum: mat4x4<f32>) -> mat4x4<f32> {
    var z = transpose(sum);
    var next = mat4x4<f32>();
    for (var j = 0u; j < 4u && sample + j < p.batch; j++) { next[j] = cell(sample + j, unit, s, z[j]); }
    return transpose(next);
}

@compute @workgroup_size(LANES)
fn sequence(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) unit: u32,
) {
    let all = IN * p.size * OUT * p.size;
    for (var v = unit; KEPT && 4u * v < all; v += LANES) {
        var some = vec4<f32>();
        for (var j = 0u; j < 4u && 4u * v + j < all; j++) {
            let at = 4u * v + j;
            some[j] = weights[at / (OUT * p.size) * p.row + at % (OUT * p.size) * p.column];
        }
        pool[IN * p.size + v] = some;
    }
    for (var sample = 4u * group.x; sample < p.batch; sample += 4u * groups.x) {
        for (var i = unit; i < length(0u); i += LANES) { pool[i] = states(sample, i, 0u); }
        workgroupBarrier();
        for (var s = 0u; s < p.count; s++) {
            var sum = mat4x4<f32>();
            for (var i = 0u; i < length(s) && unit < p.size; i++) { share(&sum, pool[i], i, unit); }
            workgroupBarrier();
            if (unit < p.size) {
                var next = cells(sample, unit, s, sum);
                for (var e = 0u; e < IN; e++) { pool[e * p.size + unit] = next[e]; }
            }
            workgroupBarrier();
        }
    }
}

@compute @workgroup_size(256)
fn single(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let unit = group.x * UNITS + lane % UNITS;
    let slice = lane / UNITS * UNITS;
    for (var sample = 4u * group.y; sample < p.batch; sample += 4u * groups.y) {
        var sum = mat4x4<f32>();
        for (var first = 0u; first < length(p.at); first += 256u) {
            if (first + lane < length(p.at)) { pool[lane] = states(sample, first + lane, p.at); }
            workgroupBarrier();
            for (var i = slice; i < slice + UNITS && first + i < length(p.at) && unit < p.size; i++) {
                share(&sum, pool[i], first + i, unit);
            }
            workgroupBarrier();
        }
        for (var e = 0u; e < OUT; e++) { pool[256u * e + lane] = sum[e]; }
        workgroupBarrier();
        if (lane < UNITS && unit < p.size) {
            for (var e = 0u; e < OUT; e++) {
                for (var k = 1u; k < SLICES; k++) { sum[e] += pool[256u * e + k * UNITS + lane]; }
            }
            cells(sample, unit, p.at, sum);
        }
        workgroupBarrier();
    }
}
