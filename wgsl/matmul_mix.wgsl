// out (B, width) = the sum over k < count of factors[b, k] * parts[b, k]; n elements in all.

struct P { n: u32, count: u32, width: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> factors: array<f32>;
@group(0) @binding(2) var<storage, read> parts: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn mix(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.n; i += groups.x * 64u) {
        let first = i / p.width * p.count;
        var sum = 0.0;
        for (var k = 0u; k < p.count; k++) { sum += factors[first + k] * parts[(first + k) * p.width + i % p.width]; }
        out[i] = sum;
    }
}
