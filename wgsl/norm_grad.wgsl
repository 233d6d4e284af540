// Gradients of RMSNorm and LayerNorm. x, gy, out (rows, width); gamma (width).
// `rms` and `layer`, a workgroup a row: gx, and the row's spread, which is its mean and 1 / sigma as two factors.
// `weights` and `biases`, a workgroup 32 columns of a part of the rows: the part's sums of gy * normalised x and of gy.
//: include norm_root

struct P { rows: u32, width: u32, eps: f32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read> gy: array<f32>;
@group(0) @binding(4) var<storage, read> spreads: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> spreads_out: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

const COLUMNS: u32 = 32u;

// With n the normalised x and gn = gy gamma: (gn - mean(gn) - n mean(gn n)) / sigma, for RMSNorm without mean(gn).
fn row_gradient(at: u32, mean: f32, scale: vec2<f32>, centred: bool, lane: u32) {
    let row = at * p.width;
    var sum = 0.0;
    var along = 0.0;
    for (var i = lane; i < p.width; i += GROUP) {
        let gn = gy[row + i] * gamma[i];
        sum += gn;
        along += gn * ((x[row + i] - mean) * scale.x * scale.y);
    }
    let level = select(0.0, total(sum, lane) / f32(p.width), centred);
    let slope = total(along, lane) / f32(p.width);
    for (var i = lane; i < p.width; i += GROUP) {
        let normal = (x[row + i] - mean) * scale.x * scale.y;
        out[row + i] = (gy[row + i] * gamma[i] - level - normal * slope) * scale.x * scale.y;
    }
    if (lane == 0u) { spreads_out[at] = vec4<f32>(mean, scale, 0.0); }
}

@compute @workgroup_size(128)
fn rms(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
       @builtin(local_invocation_index) lane: u32) {
    for (var at = group.x; at < p.rows; at += groups.x) {
        var sums = vec2<f32>();
        for (var i = lane; i < p.width; i += GROUP) { sums += square(x[at * p.width + i]); }
        row_gradient(at, 0.0, inverse_root(sums, p.width, p.eps, lane), false, lane);
    }
}

@compute @workgroup_size(128)
fn layer(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
         @builtin(local_invocation_index) lane: u32) {
    for (var at = group.x; at < p.rows; at += groups.x) {
        var sum = 0.0;
        for (var i = lane; i < p.width; i += GROUP) { sum += x[at * p.width + i] / f32(p.width); }
        let mean = total(sum, lane);
        var sums = vec2<f32>();
        for (var i = lane; i < p.width; i += GROUP) { sums += square(x[at * p.width + i] - mean); }
        row_gradient(at, mean, inverse_root(sums, p.width, p.eps, lane), true, lane);
    }
}

// Every lane's sum of a column, joined by the first COLUMNS lanes: part `group.y` of out (parts, width)
fn join(sum: f32, group: vec3<u32>, lane: u32) {
    lanes[lane] = sum;
    workgroupBarrier();
    let column = group.x * COLUMNS + lane;
    if (lane >= COLUMNS || column >= p.width) { return; }
    var all = 0.0;
    for (var i = lane; i < GROUP; i += COLUMNS) { all += lanes[i]; }
    out[group.y * p.width + column] = all;
}

@compute @workgroup_size(128)
fn weights(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
    let column = group.x * COLUMNS + lane % COLUMNS;
    let stride = GROUP / COLUMNS * groups.y;
    var sum = 0.0;
    if (column < p.width) {
        for (var at = group.y * (GROUP / COLUMNS) + lane / COLUMNS; at < p.rows; at += stride) {
            let spread = spreads[at];
            sum += gy[at * p.width + column] * ((x[at * p.width + column] - spread.x) * spread.y * spread.z);
        }
    }
    join(sum, group, lane);
}

@compute @workgroup_size(128)
fn biases(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
          @builtin(local_invocation_index) lane: u32) {
    let column = group.x * COLUMNS + lane % COLUMNS;
    let stride = GROUP / COLUMNS * groups.y;
    var sum = 0.0;
    if (column < p.width) {
        for (var at = group.y * (GROUP / COLUMNS) + lane / COLUMNS; at < p.rows; at += stride) {
            sum += gy[at * p.width + column];
        }
    }
    join(sum, group, lane);
}
