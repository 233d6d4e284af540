// out (cols, rows) = x (rows, cols) transposed, in tiles of 16 x 16: neighbours read neighbours and write neighbours.

struct P { rows: u32, cols: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
var<workgroup> tile: array<f32, 272>;  // 16 x 17: columns fall into different banks

@compute @workgroup_size(16, 16)
fn transposed(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
    let row = group.y * 16u + lane.y;
    let col = group.x * 16u + lane.x;
    if (row < p.rows && col < p.cols) { tile[lane.y * 17u + lane.x] = x[row * p.cols + col]; }
    workgroupBarrier();
    let to_row = group.x * 16u + lane.y;
    let to_col = group.y * 16u + lane.x;
    if (to_row < p.cols && to_col < p.rows) { out[to_row * p.rows + to_col] = tile[lane.x * 17u + lane.y]; }
}
