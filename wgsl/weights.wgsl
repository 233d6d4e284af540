// Weights in the storage they came in, eight neighbouring elements at a time.
// A matrix is rows of groups of eight. STORAGE says how a group lies in `weights`, as loom_py/runtime/webgpu/storage.py
// laid it out: 0 float32, 1 float16 and 2 bfloat16 in pairs, 3 Q8_0, 4 Q4_0, 5 Q4_1: blocks of 32, that is four groups,
// whose quants are together (8 words, or 4) and whose scales (d, or d and m, float16) are in `scales`.

override STORAGE: u32 = 0u;

struct Eight { low: vec4<f32>, high: vec4<f32> }

fn bytes(word: u32) -> vec4<f32> {
    return vec4<f32>(extractBits(vec4<i32>(vec4<u32>(word, word >> 8u, word >> 16u, word >> 24u)), 0u, 8u));
}

fn nibbles(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(15u));
}

fn eight(group: u32) -> Eight {
    switch STORAGE {
        case 0u {
            return Eight(bitcast<vec4<f32>>(weights[2u * group]), bitcast<vec4<f32>>(weights[2u * group + 1u]));
        }
        case 1u {
            let w = weights[group];
            return Eight(
                vec4<f32>(unpack2x16float(w.x), unpack2x16float(w.y)),
                vec4<f32>(unpack2x16float(w.z), unpack2x16float(w.w)));
        }
        case 2u {
            let w = weights[group];
            let even = bitcast<vec4<f32>>(w << vec4<u32>(16u));
            let odd = bitcast<vec4<f32>>(w & vec4<u32>(0xffff0000u));
            return Eight(vec4<f32>(even.x, odd.x, even.y, odd.y), vec4<f32>(even.z, odd.z, even.w, odd.w));
        }
        default {}
    }
    let block = group / 4u;
    let quarter = group % 4u;
    if (STORAGE == 3u) {
        let d = unpack2x16float(scales[block / 2u])[block % 2u];
        let w = weights[group / 2u];
        let two = select(w.xy, w.zw, (quarter & 1u) == 1u);
        return Eight(d * bytes(two.x), d * bytes(two.y));
    }
    // Byte j of a block holds elements j (low) and j + 16 (high).
    let w = weights[block];
    let two = (select(w.xy, w.zw, (quarter & 1u) == 1u) >> vec2<u32>((quarter / 2u) * 4u)) & vec2<u32>(0x0f0f0f0fu);
    if (STORAGE == 4u) {
        let d = unpack2x16float(scales[block / 2u])[block % 2u];
        return Eight(d * (nibbles(two.x) - 8.0), d * (nibbles(two.y) - 8.0));
    }
    let dm = unpack2x16float(scales[block]);
    return Eight(dm.x * nibbles(two.x) + dm.y, dm.x * nibbles(two.y) + dm.y);
}
