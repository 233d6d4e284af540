// Convolution as the product kernel (filters, taps) times windows (taps, batch * places); windows exist in tiles only.
//: include conv_shape

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> kernel: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

fn left(filter_: u32, tap: u32) -> f32 {
    if (filter_ >= p.filters) { return 0.0; }
    return kernel[filter_ * taps() + tap];
}

// (start of the sample in x or -1, y and x of the window's corner)
fn column(n: u32) -> vec3<i32> {
    let sample = n / places();
    if (sample >= p.batch) { return vec3<i32>(-1); }
    return vec3<i32>(i32(sample * p.channels * p.height * p.width), corner(n % places()));
}

fn right(tap: u32, window: vec3<i32>) -> f32 {
    let y = u32(window.y + i32(tap / p.broad % p.tall));
    let at = u32(window.z + i32(tap % p.broad));
    if (window.x < 0 || y >= p.height || at >= p.width) { return 0.0; }  // a negative one is a large u32
    return x[u32(window.x) + (tap / (p.tall * p.broad) * p.height + y) * p.width + at];
}

@compute @workgroup_size(256)
fn forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row0 = group.y * 4u * ROWS;
    for (var col0 = group.x * 4u * COLS; col0 < p.batch * places(); col0 += groups.x * 4u * COLS) {
        var sum = product(row0, col0, 0u, taps(), lane);
        for (var r = 0u; r < 4u; r++) {
            let f = row0 + own_row(lane) + r;
            for (var c = 0u; c < 4u; c++) {
                let n = col0 + own_col(lane) + c;
                if (f < p.filters && n < p.batch * places()) {
                    out[(n / places() * p.filters + f) * places() + n % places()] = sum[r][c] + bias[f];
                }
            }
        }
    }
}
