// Gradients of a convolution's kernel and bias: gy (filters, batch * places) times windows' (batch * places, taps + 1), whose
// last column is ones, for the bias. The long sum is split into runs: `partial` adds up one, `total` all, in order.
//: include conv_shape

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gy: array<f32>;
@group(0) @binding(3) var<storage, read_write> parts: array<f32>;
@group(0) @binding(4) var<storage, read> partials: array<f32>;
@group(0) @binding(5) var<storage, read_write> gkernel: array<f32>;
@group(0) @binding(6) var<storage, read_write> gbias: array<f32>;

const OUTSIDE: i32 = -1;
const ONES: i32 = -2;

fn left(filter_: u32, n: u32) -> f32 {
    if (filter_ >= p.filters) { return 0.0; }
    return gy[(n / places() * p.filters + filter_) * places() + n % places()];
}

// (start of the tap's channel in a sample, its y and x)
fn column(tap: u32) -> vec3<i32> {
    if (tap > taps()) { return vec3<i32>(OUTSIDE); }
    if (tap == taps()) { return vec3<i32>(ONES); }
    let channel = tap / (p.tall * p.broad);
    return vec3<i32>(vec3<u32>(channel * p.height * p.width, tap / p.broad % p.tall, tap % p.broad));
}

fn right(n: u32, tap: vec3<i32>) -> f32 {
    if (tap.x < 0) { return select(0.0, 1.0, tap.x == ONES); }
    let at = vec2<u32>(corner(n % places()) + tap.yz);
    if (at.x >= p.height || at.y >= p.width) { return 0.0; }
    return x[n / places() * p.channels * p.height * p.width + u32(tap.x) + at.x * p.width + at.y];
}

@compute @workgroup_size(256)
fn partial(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row0 = group.y * 4u * ROWS;
    let first = group.z * p.run;
    for (var col0 = group.x * 4u * COLS; col0 < taps() + 1u; col0 += groups.x * 4u * COLS) {
        var sum = product(row0, col0, first, min(first + p.run, p.batch * places()), lane);
        for (var r = 0u; r < 4u; r++) {
            let f = row0 + own_row(lane) + r;
            for (var c = 0u; c < 4u; c++) {
                let tap = col0 + own_col(lane) + c;
                if (f < p.filters && tap <= taps()) {
                    parts[(group.z * p.filters + f) * (taps() + 1u) + tap] = sum[r][c];
                }
            }
        }
    }
}

@compute @workgroup_size(64)
fn total(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let width = taps() + 1u;
    for (var i = id.x; i < p.filters * width; i += groups.x * 64u) {
        var sum = 0.0;
        for (var part = 0u; part < p.splits; part++) { sum += partials[part * p.filters * width + i]; }
        if (i % width < taps()) {
            gkernel[i / width * taps() + i % width] = sum;
        } else {
            gbias[i / width] = sum;
        }
    }
}
