// Products of many pairs of matrices at once, for attention over whole sequences: out = factor * the sum over links of a b.
// A pair `z` is batch z / inner and head z mod inner. Its matrices begin at (z / inner) * outer + (z mod inner) * head, for b with
// its head divided by `share` first; a link further, a and b move on by their `link`. Workgroups make tiles of 64 x 64. The pairs
// are those from `first` on; a_base and out_base, which may be negative, move what holds these pairs only.
// `ends`: 1 leaves out tiles whose columns all lie behind their rows, and 2 stops a sum behind the tile's last row.

struct P {
    first: u32, pairs: u32, inner: u32, share: u32, links: u32, m: u32, n: u32, k: u32, factor: f32, ends: u32,
    a_row: u32, a_col: u32, a_outer: u32, a_head: u32, a_link: u32, a_base: u32,
    b_row: u32, b_col: u32, b_outer: u32, b_head: u32, b_link: u32,
    out_row: u32, out_outer: u32, out_head: u32, out_base: u32,
}
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

const DEPTH: u32 = 16u;
//: include tile

@compute @workgroup_size(256)
fn tiled(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
         @builtin(local_invocation_index) lane: u32) {
    let row0 = group.y * TILE;
    let col0 = group.x * TILE;
    if (p.ends == 1u && col0 >= row0 + TILE) { return; }
    let depth = select(p.k, min(p.k, row0 + TILE), p.ends == 2u);
    // One vector of four rows (or columns) of each operand; neighbours read neighbours, transposed or not.
    let ak = select(lane / 16u, lane % 16u, p.a_col == 1u);
    let ar = select(lane % 16u, lane / 16u, p.a_col == 1u);
    let bk = select(lane / 16u, lane % 16u, p.b_col != 1u);
    let bc = select(lane % 16u, lane / 16u, p.b_col != 1u);
    for (var pair = group.z; pair < p.pairs; pair += groups.z) {
        let z = p.first + pair;
        let head = z % p.inner;
        var sum = array<vec4<f32>, 4>();
        for (var link = 0u; link < p.links; link++) {
            let a0 = p.a_base + z / p.inner * p.a_outer + head * p.a_head + link * p.a_link;
            let b0 = z / p.inner * p.b_outer + head / p.share * p.b_head + link * p.b_link;
            for (var k0 = 0u; k0 < depth; k0 += DEPTH) {
                var u = vec4<f32>();
                var v = vec4<f32>();
                for (var j = 0u; j < 4u; j++) {
                    let row = row0 + 4u * ar + j;
                    let col = col0 + 4u * bc + j;
                    if (row < p.m && k0 + ak < p.k) { u[j] = a[a0 + row * p.a_row + (k0 + ak) * p.a_col]; }
                    if (col < p.n && k0 + bk < p.k) { v[j] = b[b0 + (k0 + bk) * p.b_row + col * p.b_col]; }
                }
                left[ak * PITCH + ar] = u;
                right[bk * PITCH + bc] = v;
                workgroupBarrier();
                multiply(&sum, lane);
                workgroupBarrier();
            }
        }
        let out0 = p.out_base + z / p.inner * p.out_outer + head * p.out_head;
        for (var r = 0u; r < 4u; r++) {
            let row = row0 + lane / 16u * 4u + r;
            for (var c = 0u; c < 4u; c++) {
                let col = col0 + lane % 16u * 4u + c;
                if (row < p.m && col < p.n) { out[out0 + row * p.out_row + col] = p.factor * sum[r][c]; }
            }
        }
    }
}
