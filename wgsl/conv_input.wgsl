// Gradient of a convolution's input: kernel' (channels, filters * taps of a plane) times shifted gy (…, batch * elements of a
// plane). With strides only every stride-th element meets the same taps: such elements are a phase and have products of
// their own, so that nothing is multiplied with the zeros between the places of y.
//: include conv_shape

@group(0) @binding(1) var<storage, read> kernel: array<f32>;
@group(0) @binding(2) var<storage, read> gy: array<f32>;
@group(0) @binding(3) var<storage, read_write> gx: array<f32>;

// Of the phase, along y and x: its first element, its first tap, its taps, its elements
var<private> start: vec2<u32>;
var<private> tap0: vec2<u32>;
var<private> some: vec2<u32>;
var<private> plane: vec2<u32>;

fn left(channel: u32, k: u32) -> f32 {
    if (channel >= p.channels) { return 0.0; }
    let v = tap0.y + k % some.y * p.stride_x;
    let u = tap0.x + k / some.y % some.x * p.stride_y;
    return kernel[((k / (some.x * some.y) * p.channels + channel) * p.tall + u) * p.broad + v];
}

// (start of the sample in gy or -1, y and x of the place that the first tap came from)
fn column(n: u32) -> vec3<i32> {
    let sample = n / (plane.x * plane.y);
    if (sample >= p.batch) { return vec3<i32>(-1); }
    let y = (start.x + p.padding_y) / p.stride_y + n / plane.y % plane.x;
    let x = (start.y + p.padding_x) / p.stride_x + n % plane.y;
    return vec3<i32>(vec3<u32>(sample * p.filters * places(), y, x));
}

fn right(k: u32, from_: vec3<i32>) -> f32 {
    let i = u32(from_.y - i32(k / some.y % some.x));
    let j = u32(from_.z - i32(k % some.y));
    if (from_.x < 0 || i >= p.high || j >= p.wide) { return 0.0; }
    return gy[u32(from_.x) + (k / (some.x * some.y) * p.high + i) * p.wide + j];
}

// How many of 0, stride, 2 stride, … are below `length`
fn strided(length: u32, stride: u32) -> u32 { return (length + stride - 1u) / stride; }

@compute @workgroup_size(256)
fn input(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row0 = group.y * 4u * ROWS;
    let across = min(p.stride_x, p.width);
    for (var phase = group.z; phase < min(p.stride_y, p.height) * across; phase += groups.z) {
        let first = vec2<u32>(phase / across, phase % across);
        let tap = vec2<u32>((first.x + p.padding_y) % p.stride_y, (first.y + p.padding_x) % p.stride_x);
        // Past the kernel's end there is none.
        let high = strided(max(p.tall, tap.x) - tap.x, p.stride_y);
        let wide = strided(max(p.broad, tap.y) - tap.y, p.stride_x);
        let rows = strided(p.height - first.x, p.stride_y);
        let cols = strided(p.width - first.y, p.stride_x);
        start = first;
        tap0 = tap;
        some = vec2<u32>(high, wide);
        plane = vec2<u32>(rows, cols);
        for (var col0 = group.x * 4u * COLS; col0 < p.batch * rows * cols; col0 += groups.x * 4u * COLS) {
            var sum = product(row0, col0, 0u, p.filters * high * wide, lane);
            for (var r = 0u; r < 4u; r++) {
                let channel = row0 + own_row(lane) + r;
                for (var c = 0u; c < 4u; c++) {
                    let n = col0 + own_col(lane) + c;
                    if (channel < p.channels && n < p.batch * rows * cols) {
                        let y = first.x + n / cols % rows * p.stride_y;
                        let x = first.y + n % cols * p.stride_x;
                        gx[((n / (rows * cols) * p.channels + channel) * p.height + y) * p.width + x] = sum[r][c];
                    }
                }
            }
        }
    }
}
