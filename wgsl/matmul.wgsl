// out (m, n) = a (m, k) b (k, n) + bias (n); strides say whether the operands are transposed.
// `simple`: one element an invocation. `tiled`: 64 x 64 a workgroup, 4 x 4 an invocation, k in steps of 16.

struct P { m: u32, n: u32, k: u32, a_row: u32, a_col: u32, b_row: u32, b_col: u32, has_bias: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn simple(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.m * p.n; i += groups.x * 64u) {
        let row = i / p.n;
        let col = i % p.n;
        var sum = 0.0;
        for (var k = 0u; k < p.k; k++) {
            sum += a[row * p.a_row + k * p.a_col] * b[k * p.b_row + col * p.b_col];
        }
        if (p.has_bias != 0u) { sum += bias[col]; }
        out[i] = sum;
    }
}

const DEPTH: u32 = 16u;
//: include tile

@compute @workgroup_size(256)
fn tiled(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row0 = group.y * TILE;
    let col0 = group.x * TILE;
    var sum = array<vec4<f32>, 4>();
    for (var k0 = 0u; k0 < p.k; k0 += DEPTH) {
        // One vector of four rows (or columns) of each operand; neighbours read neighbours, transposed or not.
        let ak = select(lane / 16u, lane % 16u, p.a_col == 1u);
        let ar = select(lane % 16u, lane / 16u, p.a_col == 1u);
        let bk = select(lane / 16u, lane % 16u, p.b_col != 1u);
        let bc = select(lane % 16u, lane / 16u, p.b_col != 1u);
        var u = vec4<f32>();
        var v = vec4<f32>();
        for (var j = 0u; j < 4u; j++) {
            let row = row0 + 4u * ar + j;
            let col = col0 + 4u * bc + j;
            if (row < p.m && k0 + ak < p.k) { u[j] = a[row * p.a_row + (k0 + ak) * p.a_col]; }
            if (col < p.n && k0 + bk < p.k) { v[j] = b[(k0 + bk) * p.b_row + col * p.b_col]; }
        }
        left[ak * PITCH + ar] = u;
        right[bk * PITCH + bc] = v;
        workgroupBarrier();
        multiply(&sum, lane);
        workgroupBarrier();
    }
    for (var r = 0u; r < 4u; r++) {
        let row = row0 + lane / 16u * 4u + r;
        for (var c = 0u; c < 4u; c++) {
            let col = col0 + lane % 16u * 4u + c;
            if (row < p.m && col < p.n) {
                var value = sum[r][c];
                if (p.has_bias != 0u) { value += bias[col]; }
                out[row * p.n + col] = value;
            }
        }
    }
}
