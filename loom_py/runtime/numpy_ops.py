"""The kernel vocabulary on NumPy: eager, any shape, float32 or float64. The oracle for every other device."""

from __future__ import annotations

from .kernels import (
    activation as activation_family,
)
from .kernels import (
    attention as attention_family,
)
from .kernels import (
    conv as conv_family,
)
from .kernels import (
    elementwise as elementwise_family,
)
from .kernels import (
    embedding as embedding_family,
)
from .kernels import (
    linear as linear_family,
)
from .kernels import (
    loss as loss_family,
)
from .kernels import (
    matmul as matmul_family,
)
from .kernels import (
    noise as noise_family,
)
from .kernels import (
    norm as norm_family,
)
from .kernels import (
    optimiser as optimiser_family,
)
from .kernels import (
    recurrent as recurrent_family,
)
from .kernels import (
    reduction as reduction_family,
)
from .kernels import (
    rope as rope_family,
)
from .kernels import (
    sampling as sampling_family,
)
from .kernels import (
    shape as shape_family,
)
from .kernels import (
    softmax as softmax_family,
)


class NumpyOps:
    """`Ops` on `ndarray`s; one line per kernel, the family files hold the code."""

    matmul = staticmethod(matmul_family.matmul)
    linear = staticmethod(linear_family.linear)

    add = staticmethod(elementwise_family.add)
    mul = staticmethod(elementwise_family.mul)
    scale = staticmethod(elementwise_family.scale)
    activate = staticmethod(activation_family.activate)
    activate_grad = staticmethod(activation_family.activate_grad)
    softmax = staticmethod(softmax_family.softmax)
    softmax_grad = staticmethod(softmax_family.softmax_grad)
    silu_mul = staticmethod(activation_family.silu_mul)
    silu_mul_grad = staticmethod(activation_family.silu_mul_grad)

    masked_softmax = staticmethod(softmax_family.masked_softmax)
    sparsemax = staticmethod(softmax_family.sparsemax)
    entmax = staticmethod(softmax_family.entmax)
    entmax_grad = staticmethod(softmax_family.entmax_grad)
    tree_softmax = staticmethod(softmax_family.tree_softmax)
    tree_softmax_grad = staticmethod(softmax_family.tree_softmax_grad)
    gumbel = staticmethod(noise_family.gumbel)
    mix = staticmethod(matmul_family.mix)
    mix_grad = staticmethod(matmul_family.mix_grad)

    reshape = staticmethod(shape_family.reshape)
    zeros = staticmethod(shape_family.zeros)
    concat = staticmethod(shape_family.concat)
    narrow = staticmethod(shape_family.narrow)
    pad = staticmethod(shape_family.pad)
    assign = staticmethod(shape_family.assign)
    sum = staticmethod(reduction_family.sum_axis)

    rnn_sequence = staticmethod(recurrent_family.rnn_sequence)
    rnn_sequence_grad = staticmethod(recurrent_family.rnn_sequence_grad)
    lstm_sequence = staticmethod(recurrent_family.lstm_sequence)
    lstm_sequence_grad = staticmethod(recurrent_family.lstm_sequence_grad)

    embedding = staticmethod(embedding_family.embedding)
    embedding_grad = staticmethod(embedding_family.embedding_grad)
    token_ids = staticmethod(embedding_family.token_ids)
    conv2d = staticmethod(conv_family.conv2d)
    conv2d_grad = staticmethod(conv_family.conv2d_grad)
    rms_norm = staticmethod(norm_family.rms_norm)
    rms_norm_grad = staticmethod(norm_family.rms_norm_grad)
    layer_norm = staticmethod(norm_family.layer_norm)
    layer_norm_grad = staticmethod(norm_family.layer_norm_grad)
    rope = staticmethod(rope_family.rope)
    cache_write = staticmethod(rope_family.cache_write)
    attention = staticmethod(attention_family.attention)
    attend = staticmethod(attention_family.attend)
    attend_grad = staticmethod(attention_family.attend_grad)

    mark = staticmethod(sampling_family.mark)
    sample = staticmethod(sampling_family.sample)

    norm_linear = staticmethod(linear_family.norm_linear)
    norm_gate_up = staticmethod(linear_family.norm_gate_up)
    linear_add = staticmethod(linear_family.linear_add)
    rope_cache = staticmethod(rope_family.rope_cache)

    loss = staticmethod(loss_family.loss)
    loss_grad = staticmethod(loss_family.loss_grad)
    accumulate = staticmethod(elementwise_family.accumulate)
    clip_by_norm = staticmethod(optimiser_family.clip_by_norm)
    clip_by_value = staticmethod(optimiser_family.clip_by_value)
    sgd_step = staticmethod(optimiser_family.sgd_step)
    sgd_momentum_step = staticmethod(optimiser_family.sgd_momentum_step)
    adamw_step = staticmethod(optimiser_family.adamw_step)
    rmsprop_step = staticmethod(optimiser_family.rmsprop_step)
