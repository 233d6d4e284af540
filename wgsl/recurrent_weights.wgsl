// Gradient of recurrent weights, all steps at once: gz' (rows, batch * steps) times the states before them (batch * steps, size).
// The long sum is split into runs, an entry of `parts` each.

struct P { batch: u32, steps: u32, size: u32, rows: u32, run: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> gz: array<f32>;
@group(0) @binding(2) var<storage, read> h: array<f32>;
@group(0) @binding(3) var<storage, read> h0: array<f32>;
@group(0) @binding(4) var<storage, read_write> parts: array<f32>;
//: include tile_gather

fn left(row: u32, n: u32) -> f32 {
    if (row >= p.rows) { return 0.0; }
    return gz[n * p.rows + row];
}

fn column(unit: u32) -> vec3<i32> { return vec3<i32>(i32(unit)); }

fn right(n: u32, unit: vec3<i32>) -> f32 {
    let u = u32(unit.x);
    if (u >= p.size) { return 0.0; }
    if (n % p.steps == 0u) { return h0[n / p.steps * p.size + u]; }
    return h[(n - 1u) * p.size + u];
}

@compute @workgroup_size(256)
fn partial(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row0 = group.y * 4u * ROWS;
    let first = group.z * p.run;
    for (var col0 = group.x * 4u * COLS; col0 < p.size; col0 += groups.x * 4u * COLS) {
        var sum = product(row0, col0, first, min(first + p.run, p.batch * p.steps), lane);
        for (var r = 0u; r < 4u; r++) {
            let row = row0 + own_row(lane) + r;
            for (var c = 0u; c < 4u; c++) {
                let unit = col0 + own_col(lane) + c;
                if (row < p.rows && unit < p.size) { parts[(group.z * p.rows + row) * p.size + unit] = sum[r][c]; }
            }
        }
    }
}
