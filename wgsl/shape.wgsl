// Copies of runs of elements of any type: for each of `outer` rows,
// out[row * to_stride + to + j] = x[row * from_stride + from + j], j < run. Also: fill with one number.

struct P { outer: u32, run: u32, from_stride: u32, start: u32, to_stride: u32, to: u32, value: f32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(256)
fn strided(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.outer * p.run; i += groups.x * 256u) {
        let row = i / p.run;
        let j = i % p.run;
        out[row * p.to_stride + p.to + j] = x[row * p.from_stride + p.start + j];
    }
}

@compute @workgroup_size(256)
fn fill(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.run; i += groups.x * 256u) { out[i] = bitcast<u32>(p.value); }
}
