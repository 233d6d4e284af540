// Gradient clipping. By norm: `squares` sums each tensor's squares into parts, `norm` adds up the parts of all tensors
// and finds the factor min(1, limit / norm), `apply` multiplies. By value: `clip`.
// Squares of large, of middling and of small values are summed apart, the large in units of 2^80 and the small in units
// of 2^-80, so that none overflows and none vanishes (Blue 1978).
//: include workgroup

struct P { n: u32, part: u32, limit: f32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> parts: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<storage, read_write> g: array<f32>;

const UNIT: f32 = 1.2089258196146292e24;  // 2^80
const LARGE: f32 = 2.81474976710656e14;  // 2^48
const SMALL: f32 = 8.881784197001252e-16;  // 2^-50

// v^2 where it belongs: small, middling, large
fn apart(v: f32) -> vec3<f32> {
    let a = abs(v);
    if (a > LARGE) { let q = a / UNIT; return vec3<f32>(0.0, 0.0, q * q); }
    if (a < SMALL) { let q = a * UNIT; return vec3<f32>(q * q, 0.0, 0.0); }
    return vec3<f32>(0.0, a * a, 0.0);
}

fn totals(sums: vec3<f32>, lane: u32) -> vec3<f32> {
    return vec3<f32>(total(sums.x, lane), total(sums.y, lane), total(sums.z, lane));
}

fn hypotenuse(a: f32, b: f32) -> f32 {
    let long = max(a, b);
    let ratio = min(a, b) / max(long, 1e-30);
    return long * sqrt(1.0 + ratio * ratio);
}

// x: a tensor of n; group i writes three parts, the first at parts[3 (part + i)]
@compute @workgroup_size(128)
fn squares(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32,
           @builtin(num_workgroups) groups: vec3<u32>) {
    var sums = vec3<f32>();
    for (var i = group.x * GROUP + lane; i < p.n; i += groups.x * GROUP) { sums += apart(x[i]); }
    let all = totals(sums, lane);
    if (lane < 3u) { parts[3u * (p.part + group.x) + lane] = all[lane]; }
}

// x: n times three parts; out[0] is the norm, parts[0] and parts[1] two factors, of which the product is the whole one
@compute @workgroup_size(128)
fn norm(@builtin(local_invocation_index) lane: u32) {
    var sums = vec3<f32>();
    for (var i = lane; i < p.n; i += GROUP) { sums += vec3<f32>(x[3u * i], x[3u * i + 1u], x[3u * i + 2u]); }
    let all = totals(sums, lane);
    if (lane != 0u) { return; }
    let lengths = sqrt(all);
    var unit = 1.0;
    var length = lengths.y;
    var limit = p.limit;
    if (lengths.z > 0.0) {
        unit = UNIT;
        length = hypotenuse(lengths.y / UNIT, lengths.z);
        limit /= UNIT;
    } else if (lengths.y < 1e-6) {
        unit = 1.0 / UNIT;
        length = hypotenuse(lengths.x, lengths.y * UNIT);
        limit = min(limit, 1.0) * UNIT;
    }
    out[0] = length * unit;
    let over = length > limit;
    parts[0] = select(1.0, 1.0 / unit, over);
    parts[1] = select(1.0, p.limit / length, over);
}

// x: the two factors
@compute @workgroup_size(128)
fn apply(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let first = x[0];
    let second = x[1];
    if (first == 1.0 && second == 1.0) { return; }
    for (var i = id.x; i < p.n; i += groups.x * GROUP) {
        let v = g[i];
        // A GPU may round what is below 1e-38 on the way to zero: small values are not made smaller first.
        g[i] = select(v * first * second, v * second * first, first < 1.0 && abs(v) < 1.0);
    }
}

@compute @workgroup_size(128)
fn clip(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.n; i += groups.x * GROUP) { g[i] = clamp(g[i], -p.limit, p.limit); }
}
