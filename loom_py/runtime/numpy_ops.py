"""The kernel vocabulary on NumPy: eager, any shape, float32 or float64. The oracle for every other device."""

from __future__ import annotations

from . import kernels as k


class NumpyOps:
    """`Ops` on `ndarray`s; one line per kernel, the family files hold the code."""

    matmul = staticmethod(k.linear.matmul)
    linear = staticmethod(k.linear.linear)

    add = staticmethod(k.shape.add)
    mul = staticmethod(k.shape.mul)
    scale = staticmethod(k.shape.scale)
    activate = staticmethod(k.activation.activate)
    activate_grad = staticmethod(k.activation.activate_grad)
    softmax = staticmethod(k.softmax.softmax)
    softmax_grad = staticmethod(k.softmax.softmax_grad)
    silu_mul = staticmethod(k.activation.silu_mul)
    silu_mul_grad = staticmethod(k.activation.silu_mul_grad)

    masked_softmax = staticmethod(k.softmax.masked_softmax)
    sparsemax = staticmethod(k.softmax.sparsemax)
    entmax = staticmethod(k.softmax.entmax)
    entmax_grad = staticmethod(k.softmax.entmax_grad)
    tree_softmax = staticmethod(k.softmax.tree_softmax)
    tree_softmax_grad = staticmethod(k.softmax.tree_softmax_grad)
    gumbel = staticmethod(k.softmax.gumbel)
    mix = staticmethod(k.softmax.mix)
    mix_grad = staticmethod(k.softmax.mix_grad)

    reshape = staticmethod(k.shape.reshape)
    zeros = staticmethod(k.shape.zeros)
    concat = staticmethod(k.shape.concat)
    narrow = staticmethod(k.shape.narrow)
    pad = staticmethod(k.shape.pad)
    assign = staticmethod(k.shape.assign)
    sum = staticmethod(k.shape.sum_axis)

    rnn_sequence = staticmethod(k.recurrent.rnn_sequence)
    rnn_sequence_grad = staticmethod(k.recurrent.rnn_sequence_grad)
    lstm_sequence = staticmethod(k.recurrent.lstm_sequence)
    lstm_sequence_grad = staticmethod(k.recurrent.lstm_sequence_grad)

    embedding = staticmethod(k.linear.embedding)
    embedding_grad = staticmethod(k.linear.embedding_grad)
    token_ids = staticmethod(k.linear.token_ids)
    conv2d = staticmethod(k.conv.conv2d)
    conv2d_grad = staticmethod(k.conv.conv2d_grad)
    rms_norm = staticmethod(k.norm.rms_norm)
    rms_norm_grad = staticmethod(k.norm.rms_norm_grad)
    layer_norm = staticmethod(k.norm.layer_norm)
    layer_norm_grad = staticmethod(k.norm.layer_norm_grad)
    rope = staticmethod(k.attention.rope)
    cache_write = staticmethod(k.attention.cache_write)
    attention = staticmethod(k.attention.attention)
    attend = staticmethod(k.attention.attend)
    attend_grad = staticmethod(k.attention.attend_grad)

    mark = staticmethod(k.sampling.mark)
    sample = staticmethod(k.sampling.sample)

    norm_linear = staticmethod(k.fused.norm_linear)
    norm_gate_up = staticmethod(k.fused.norm_gate_up)
    linear_add = staticmethod(k.fused.linear_add)
    rope_cache = staticmethod(k.fused.rope_cache)

    loss = staticmethod(k.loss.loss)
    loss_grad = staticmethod(k.loss.loss_grad)
    accumulate = staticmethod(k.optimiser.accumulate)
    clip_by_norm = staticmethod(k.optimiser.clip_by_norm)
    clip_by_value = staticmethod(k.optimiser.clip_by_value)
    sgd_step = staticmethod(k.optimiser.sgd_step)
    sgd_momentum_step = staticmethod(k.optimiser.sgd_momentum_step)
    adamw_step = staticmethod(k.optimiser.adamw_step)
    rmsprop_step = staticmethod(k.optimiser.rmsprop_step)
