// Token ids from floats, and the gradient of a table: rows of gy (count, width) added up by id into out (vocabulary, width).
// `rows`: a workgroup has `own` rows of the table at a time. It reads all ids, collects those of its rows as bits, and each
// invocation adds the rows of gy to its own columns in the order of the ids: the same sums in every run, without atomics on floats.

struct P { count: u32, width: u32, vocabulary: u32, own: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> ids: array<u32>;
@group(0) @binding(3) var<storage, read> gy: array<f32>;
@group(0) @binding(4) var<storage, read_write> ids_out: array<u32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

const GROUP: u32 = 128u;
const WORDS: u32 = 32u;
const CHUNK: u32 = 32u * WORDS;  // ids at a time
var<workgroup> bits: array<atomic<u32>, WORDS>;

@compute @workgroup_size(128)
fn tokens(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.count; i += groups.x * GROUP) { ids_out[i] = u32(x[i]); }
}

@compute @workgroup_size(128)
fn rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    for (var first = group.x * p.own; first < p.vocabulary; first += groups.x * p.own) {
        let own = min(p.own, p.vocabulary - first);
        for (var row = first; row < first + own; row++) {
            for (var i = group.y * GROUP + lane; i < p.width; i += groups.y * GROUP) { out[row * p.width + i] = 0.0; }
        }
        for (var start = 0u; start < p.count; start += CHUNK) {
            workgroupBarrier();
            if (lane < WORDS) { atomicStore(&bits[lane], 0u); }
            workgroupBarrier();
            for (var i = lane; i < CHUNK && start + i < p.count; i += GROUP) {
                if (ids[start + i] - first < own) { atomicOr(&bits[i / 32u], 1u << (i % 32u)); }  // wraps below the first
            }
            workgroupBarrier();
            for (var word = 0u; word < WORDS; word++) {
                for (var rest = atomicLoad(&bits[word]); rest != 0u; rest &= rest - 1u) {
                    let at = start + 32u * word + countTrailingZeros(rest);
                    let to = ids[at] * p.width;
                    for (var i = group.y * GROUP + lane; i < p.width; i += groups.y * GROUP) {
                        out[to + i] += gy[at * p.width + i];
                    }
                }
            }
        }
    }
}
