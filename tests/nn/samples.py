"""Calls of every module: how to construct it and what to give it, for a given framework.

`T` is the framework (``rushlight``, or ``torch`` when results are recorded). Inputs are smooth
functions of the position, so that they need no random numbers.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class ModuleSample:
    """`make` constructs the module, `inputs` the arguments of its call."""

    name: str
    make: Callable[[Any], Any]
    inputs: Callable[[Any], tuple]
    kwargs: Callable[[Any], dict] = field(default=lambda T: {})

    def __str__(self):
        return self.name


def wave(T, *shape, start=0.3):
    """Values between -2 and 2, all different."""
    count = math.prod(shape)
    return (2 * T.sin(T.arange(count, dtype=T.float32) * 0.37 + start)).reshape(shape)


def classes(T, *shape, num):
    """Class indices."""
    return (T.arange(math.prod(shape)) * 7 % num).reshape(shape)


def signs(T, *shape):
    """Targets of 1 and -1."""
    return classes(T, *shape, num=2).to(T.float32) * 2 - 1


SAMPLES: list[ModuleSample] = []


def add(cls, args=(), *shapes, tag="", inputs=None, kwargs=None, **options):
    """A sample of ``nn.<cls>(*args, **options)``, called with waves of `shapes` or `inputs`."""
    given = args if callable(args) else lambda T: args

    def make(T):
        return getattr(T.nn, cls)(*given(T), **{k: _value(T, v) for k, v in options.items()})

    def waves(T):
        return tuple(wave(T, *shape, start=0.3 + i) for i, shape in enumerate(shapes))

    shown = ", ".join(
        [
            *map(str, () if callable(args) else args),
            *(f"{k}={'...' if callable(v) else v}" for k, v in options.items()),
        ]
    )
    name = f"{cls}({tag or shown})"
    SAMPLES.append(ModuleSample(name, make, inputs or waves, kwargs or (lambda T: {})))


def _value(T, value):
    return value(T) if callable(value) else value


# -- linear, embedding
add("Identity", (), (2, 3))
add("Linear", (4, 3), (5, 4))
add("Linear", (4, 3), (4,), bias=False)
add("Bilinear", (3, 4, 2), (5, 3), (5, 4))
add("LazyLinear", (3,), (5, 4))
add("Embedding", (6, 3), inputs=lambda T: (classes(T, 2, 4, num=6),))
add("Embedding", (6, 3), inputs=lambda T: (classes(T, 4, num=6),), padding_idx=-2)
for mode in ("sum", "mean", "max"):
    add("EmbeddingBag", (6, 3), inputs=lambda T: (classes(T, 2, 4, num=6),), mode=mode)
add(
    "EmbeddingBag",
    (6, 3),
    inputs=lambda T: (classes(T, 5, num=6), T.tensor([0, 2])),
    mode="sum",
    padding_idx=2,
)

# -- activations
for activation in (
    "ReLU ReLU6 Sigmoid Hardsigmoid Tanh SiLU Mish Hardswish ELU CELU SELU GELU Hardshrink "
    "LeakyReLU LogSigmoid Softplus Softshrink Softsign Tanhshrink Hardtanh PReLU GLU"
).split():
    add(activation, (), (3, 4))
add("Threshold", (0.1, 2.0), (3, 4))
add("RReLU", (), (3, 4))
add("GELU", (), (3, 4), approximate="tanh")
add("ELU", (0.5,), (3, 4))
add("CELU", (0.5,), (3, 4))
add("LeakyReLU", (0.2,), (3, 4))
add("Hardtanh", (-0.5, 0.7), (3, 4))
add("Softplus", (2.0, 1.5), (3, 4))
add("PReLU", (4,), (3, 4), init=0.5)
for activation in ("Softmax", "Softmin", "LogSoftmax"):
    add(activation, (1,), (3, 4))
add("Softmax2d", (), (2, 3, 2, 2))

# -- dropout
for dropout, shape in (
    ("Dropout", (3, 4)),
    ("Dropout1d", (2, 3, 4)),
    ("Dropout2d", (2, 3, 2, 2)),
    ("Dropout3d", (2, 3, 2, 2, 2)),
    ("AlphaDropout", (3, 4)),
    ("FeatureAlphaDropout", (2, 3, 2, 2, 2)),
):
    add(dropout, (), shape, p=0.4)

# -- normalization
for dims, shape in ((1, (4, 3)), (1, (4, 3, 5)), (2, (4, 3, 2, 2)), (3, (2, 3, 2, 2, 2))):
    add(f"BatchNorm{dims}d", (3,), shape, tag=f"3 on {len(shape)}D")
add("BatchNorm1d", (3,), (4, 3), momentum=None)
add("BatchNorm1d", (3,), (4, 3), affine=False, track_running_stats=False)
add("BatchNorm2d", (3,), (4, 3, 2, 2), bias=False)
for dims in (1, 2, 3):
    spatial = (2,) * (dims - 1) + (5,)
    add(f"LazyBatchNorm{dims}d", (), (2, 3, *spatial))
    add(f"InstanceNorm{dims}d", (3,), (2, 3, *spatial))
    add(f"InstanceNorm{dims}d", (3,), (3, *spatial), affine=True, track_running_stats=True)
    add(f"LazyInstanceNorm{dims}d", (), (2, 3, *spatial), affine=True)
add("LayerNorm", (4,), (3, 4))
add("LayerNorm", ([3, 4],), (2, 3, 4), bias=False)
add("LayerNorm", (4,), (3, 4), elementwise_affine=False)
add("GroupNorm", (2, 6), (2, 6, 3))
add("GroupNorm", (3, 6), (2, 6), affine=False)
add("RMSNorm", (4,), (3, 4))
add("LocalResponseNorm", (2,), (2, 4, 3))

# -- convolution
for dims in (1, 2, 3):
    size = (5, 6, 4)[:dims]
    add(f"Conv{dims}d", (4, 6, 3), (2, 4, *size))
    add(f"Conv{dims}d", (4, 6, 2), (4, *size), stride=2, padding=1, groups=2, bias=False)
    add(
        f"Conv{dims}d",
        (4, 2, 3),
        (1, 4, *size),
        padding="same",
        dilation=2,
        padding_mode="reflect" if dims < 3 else "replicate",
    )
    add(f"LazyConv{dims}d", (6, 3), (2, 4, *size), padding=1)
    add(f"ConvTranspose{dims}d", (4, 6, 3), (2, 4, *size), stride=2, padding=1, groups=2)
    add(f"LazyConvTranspose{dims}d", (6, 2), (2, 4, *size))
add("Conv2d", (4, 6, (1, 3)), (2, 4, 5, 6), padding="valid")
add("Conv2d", (4, 6, 3), (2, 4, 5, 6), padding=(1, 2), padding_mode="circular")
add(
    "ConvTranspose2d",
    (4, 6, 3),
    (2, 4, 3, 3),
    stride=2,
    kwargs=lambda T: {"output_size": (8, 7)},
)

# -- pooling
for dims in (1, 2, 3):
    size = (6, 7, 5)[:dims]
    shape = (2, 3, *size)
    add(f"MaxPool{dims}d", (2,), shape)
    add(f"MaxPool{dims}d", (3,), shape, stride=2, padding=1, ceil_mode=True, return_indices=True)
    add(f"AvgPool{dims}d", (2,), shape)
    add(f"AvgPool{dims}d", (3, 2, 1), shape, count_include_pad=False)
    add(f"LPPool{dims}d", (2, 2), shape)
    add(f"AdaptiveMaxPool{dims}d", (2,), shape)
    add(f"AdaptiveAvgPool{dims}d", (2,), shape)
add("AdaptiveAvgPool2d", ((None, 1),), (2, 3, 4, 5))
add("AvgPool2d", (2,), (2, 3, 4, 4), divisor_override=3)
for dims in (2, 3):
    shape = (1, 2, 7, 6, 5)[: dims + 2]
    add(f"FractionalMaxPool{dims}d", (2,), shape, output_size=3)
    add(f"FractionalMaxPool{dims}d", (2,), shape, output_ratio=0.5)


def pooled(dims):
    """Values and indices, for unpooling."""

    def inputs(T):
        pool = getattr(T.nn, f"MaxPool{dims}d")(2, return_indices=True)
        return pool(wave(T, 1, 2, *(4,) * dims))

    return inputs


for dims in (1, 2, 3):
    add(f"MaxUnpool{dims}d", (2,), inputs=pooled(dims))

# -- padding
for dims in (1, 2, 3):
    shape = (2, 3, *(4, 5, 3)[:dims])
    for kind in ("Circular", "Reflection", "Replication", "Zero"):
        add(f"{kind}Pad{dims}d", (1,), shape)
    add(f"ReplicationPad{dims}d", (tuple(range(2 * dims)),), shape)
    add(f"ConstantPad{dims}d", (2, 0.5), shape)

# -- shape
add("Flatten", (), (2, 3, 4))
add("Flatten", (0, 1), (2, 3, 4))
add("Unflatten", (1, (2, 3)), (2, 6))
add("PixelShuffle", (2,), (1, 8, 2, 3))
add("PixelUnshuffle", (2,), (1, 2, 4, 6))
add("ChannelShuffle", (2,), (1, 4, 2, 2))
add("Fold", ((4, 5), (2, 2)), (1, 12, 12))
add("Unfold", ((2, 3),), (1, 2, 4, 5), padding=1)
add("Upsample", (), (1, 2, 3, 4), scale_factor=2)
add("Upsample", ((5, 7),), (1, 2, 3, 4), mode="bilinear", align_corners=False)
add("UpsamplingNearest2d", (), (1, 2, 3, 4), scale_factor=3)
add("UpsamplingBilinear2d", ((5, 7),), (1, 2, 3, 4))
add("CosineSimilarity", (), (3, 4), (3, 4))
add("PairwiseDistance", (1.0,), (3, 4), (3, 4), keepdim=True)


# -- losses
def probabilities(T, *shape):
    """Values between 0.1 and 0.9."""
    return wave(T, *shape) / 5 + 0.5


def targeted(make_input, make_target):
    """Inputs and targets of a loss."""
    return lambda T: (make_input(T), make_target(T))


for loss in ("L1Loss", "MSELoss", "SmoothL1Loss", "HuberLoss", "KLDivLoss", "PoissonNLLLoss"):
    for reduction in ("mean", "sum", "none"):
        inputs = targeted(lambda T: wave(T, 3, 4), lambda T: probabilities(T, 3, 4))
        add(loss, inputs=inputs, reduction=reduction)
for loss in ("SoftMarginLoss", "HingeEmbeddingLoss"):
    add(loss, inputs=targeted(lambda T: wave(T, 3, 4), lambda T: signs(T, 3, 4)))
add("SmoothL1Loss", inputs=targeted(lambda T: wave(T, 4), lambda T: wave(T, 4, start=2)), beta=0.5)
add("BCELoss", inputs=targeted(lambda T: probabilities(T, 3, 4), lambda T: probabilities(T, 3, 4)))
add(
    "BCEWithLogitsLoss",
    inputs=targeted(lambda T: wave(T, 3, 4), lambda T: probabilities(T, 3, 4)),
    pos_weight=lambda T: T.full((4,), 2.0),
)
add("GaussianNLLLoss", inputs=lambda T: (wave(T, 3, 4), wave(T, 3, 4), probabilities(T, 3, 4)))
by_class = targeted(lambda T: wave(T, 5, 4), lambda T: classes(T, 5, num=4))
for loss in ("NLLLoss", "CrossEntropyLoss", "MultiMarginLoss"):
    add(loss, inputs=by_class)
    add(loss, inputs=by_class, weight=lambda T: T.tensor([1.0, 2.0, 0.5, 0.1]), reduction="sum")
add("CrossEntropyLoss", inputs=by_class, label_smoothing=0.1, ignore_index=1)
add(
    "LinearCrossEntropyLoss",
    (4, 3),
    inputs=targeted(lambda T: wave(T, 5, 4), lambda T: classes(T, 5, num=3)),
)
add(
    "MultiLabelMarginLoss",
    inputs=targeted(lambda T: wave(T, 2, 4), lambda T: T.tensor([[3, 0, -1, 1], [1, -1, 0, 2]])),
)
add(
    "MultiLabelSoftMarginLoss",
    inputs=targeted(lambda T: wave(T, 3, 4), lambda T: classes(T, 3, 4, num=2).to(T.float32)),
)
add("CosineEmbeddingLoss", inputs=lambda T: (wave(T, 3, 4), wave(T, 3, 4, start=2), signs(T, 3)))
add("MarginRankingLoss", (0.5,), inputs=lambda T: (wave(T, 4), wave(T, 4, start=2), signs(T, 4)))
add("TripletMarginLoss", (), (3, 4), (3, 4), (3, 4), swap=True)
add("TripletMarginWithDistanceLoss", (), (3, 4), (3, 4), (3, 4), margin=0.5)
add(
    "CTCLoss",
    inputs=lambda T: (
        T.log_softmax(wave(T, 6, 2, 4), -1),
        T.tensor([[1, 2, 3], [2, 1, 1]]),
        T.tensor([6, 5]),
        T.tensor([3, 2]),
    ),
)
add(
    "AdaptiveLogSoftmaxWithLoss",
    (8, 12, [4, 8]),
    inputs=targeted(lambda T: wave(T, 5, 8), lambda T: classes(T, 5, num=12)),
    div_value=2.0,
)

# -- recurrent
for layer in ("RNN", "LSTM", "GRU"):
    add(layer, (4, 3), (5, 2, 4))
    add(layer, (4, 3, 2), (2, 5, 4), batch_first=True, bidirectional=True)
    add(layer, (4, 3), (5, 4), bias=False)
    add(f"{layer}Cell", (4, 3), (2, 4))
    add(f"{layer}Cell", (4, 3), (4,), bias=False)
add("RNN", (4, 3), (5, 2, 4), nonlinearity="relu")
add("LSTM", (4, 3), (5, 2, 4), proj_size=2)
add(
    "LSTM",
    (4, 3),
    tag="packed",
    inputs=lambda T: (
        T.nn.utils.rnn.pack_padded_sequence(wave(T, 5, 3, 4), [2, 5, 3], enforce_sorted=False),
    ),
)

# -- attention
add("MultiheadAttention", (6, 2), (4, 3, 6), (5, 3, 6), (5, 3, 6))
add(
    "MultiheadAttention",
    (6, 2),
    (3, 4, 6),
    (3, 5, 4),
    (3, 5, 3),
    batch_first=True,
    kdim=4,
    vdim=3,
    add_bias_kv=True,
    add_zero_attn=True,
)
add("TransformerEncoderLayer", (6, 2, 8, 0.0), (4, 3, 6))
add(
    "TransformerEncoderLayer",
    (6, 2, 8, 0.0),
    (3, 4, 6),
    batch_first=True,
    norm_first=True,
    activation="gelu",
    kwargs=lambda T: {"src_mask": T.nn.Transformer.generate_square_subsequent_mask(4)},
)
add("TransformerDecoderLayer", (6, 2, 8, 0.0), (5, 3, 6), (4, 3, 6))


def stack(kind, **options):
    """An encoder or decoder of two layers."""

    def args(T):
        layer = getattr(T.nn, f"Transformer{kind}Layer")(6, 2, 8, 0.0, **options)
        return layer, 2, T.nn.LayerNorm(6)

    return args


add(
    "TransformerEncoder",
    stack("Encoder", batch_first=True),
    (2, 4, 6),
    tag="2 layers, padded",
    kwargs=lambda T: {"src_key_padding_mask": T.arange(4) >= T.tensor([[4], [2]])},
)
add("TransformerDecoder", stack("Decoder"), (5, 3, 6), (4, 3, 6), tag="2 layers")
add("Transformer", (6, 2, 1, 1, 8, 0.0), (4, 3, 6), (5, 3, 6))

# -- containers
add(
    "Sequential",
    lambda T: (T.nn.Linear(4, 3), T.nn.ReLU(), T.nn.Linear(3, 2)),
    (5, 4),
    tag="Linear, ReLU, Linear",
)
