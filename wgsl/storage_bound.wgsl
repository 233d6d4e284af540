// The group `group` of the matrix bound as `weights` and `scales`.
//: include storage

fn eight(group: u32) -> Eight {
    let at = vector_of(group);
    var second = vec4<u32>();
    var scale = 0u;
    if (STORAGE == F32) { second = weights[at + 1u]; }
    if (STORAGE >= Q8_0) { scale = scales[scale_of(group)]; }
    return widen(weights[at], second, scale, group);
}
