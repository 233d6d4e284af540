// Rotary positions, pairs (i, i + D/2), also straight into a key-value cache (Su et al. 2021).
// x (rows, heads, D); angles: for each of `steps` rows D/2 cosines, then D/2 sines; row r of x has angles r mod steps.

struct P { n: u32, steps: u32, heads: u32, half: u32, position: u32, capacity: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> dynamics: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> angles: array<f32>;
@group(0) @binding(4) var<storage, read> v: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<storage, read_write> values: array<f32>;

// One pair of x: n of them.
fn turn(i: u32) -> vec2<f32> {
    let j = i % p.half;
    let row = i / (p.half * p.heads) % p.steps;
    let at = i / p.half * 2u * p.half + j;
    let c = angles[row * 2u * p.half + j];
    let s = angles[row * 2u * p.half + p.half + j];
    let a = x[at];
    let b = x[at + p.half];
    return vec2<f32>(a * c - b * s, b * c + a * s);
}

@compute @workgroup_size(64)
fn rotate(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.n; i += groups.x * 64u) {
        let at = i / p.half * 2u * p.half + i % p.half;
        let turned = turn(i);
        out[at] = turned.x;
        out[at + p.half] = turned.y;
    }
}

// As `rotate`, to rows `position ...` of a cache; v goes to the other cache unchanged.
@compute @workgroup_size(64)
fn rotate_write(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let start = dynamics[p.position].y * p.heads * 2u * p.half;
    for (var i = id.x; i < p.n; i += groups.x * 64u) {
        let at = i / p.half * 2u * p.half + i % p.half;
        if (start + at >= p.capacity) { continue; }
        let turned = turn(i);
        out[start + at] = turned.x;
        out[start + at + p.half] = turned.y;
        values[start + at] = v[at];
        values[start + at + p.half] = v[at + p.half];
    }
}
