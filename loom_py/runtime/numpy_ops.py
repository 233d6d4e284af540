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

    reshape = staticmethod(k.shape.reshape)
    zeros = staticmethod(k.shape.zeros)
    concat = staticmethod(k.shape.concat)
    narrow = staticmethod(k.shape.narrow)
    sum = staticmethod(k.shape.sum_axis)

    rnn_sequence = staticmethod(k.recurrent.rnn_sequence)
    rnn_sequence_grad = staticmethod(k.recurrent.rnn_sequence_grad)
    lstm_sequence = staticmethod(k.recurrent.lstm_sequence)
    lstm_sequence_grad = staticmethod(k.recurrent.lstm_sequence_grad)

    embedding = staticmethod(k.linear.embedding)
    rms_norm = staticmethod(k.norm.rms_norm)
    rope = staticmethod(k.attention.rope)
    cache_write = staticmethod(k.attention.cache_write)
    attention = staticmethod(k.attention.attention)

    mse = staticmethod(k.loss.mse)
    mse_grad = staticmethod(k.loss.mse_grad)
    clip_by_norm = staticmethod(k.optimiser.clip_by_norm)
    sgd_step = staticmethod(k.optimiser.sgd_step)
