"""What each kind of layer makes of the shapes that it is given: one small function a kind.

A rule takes a `Step`, raises `NanodetError` where ncnn could not work on what is given, and returns
the shapes of the layer's outputs. A new layer is a rule here, its keys in
`nanodet.ncnn_files.parameters`, and what it keeps in `nanodet.ncnn_files.weight_parts`.
"""

from nanodet.ncnn_files.rules import forms, maps, products

CONVOLUTIONS = ("Convolution", "ConvolutionDepthWise")
# kinds that give what they are given, whatever its shape, and work on each value alone
ELEMENTWISE = (
    "Sigmoid", "ReLU", "Clip", "HardSwish", "Swish", "Mish", "HardSigmoid", "Dropout", "GELU", "TanH",
    "AbsVal", "ELU", "CELU", "SELU", "Softplus", "Exp", "Log", "Power", "Erf", "BNLL", "Threshold",
    "Shrink", "UnaryOp",
)  # fmt: skip

RULES = {
    "Convolution": maps.convolution,
    "ConvolutionDepthWise": maps.convolution,
    "Deconvolution": maps.deconvolution,
    "DeconvolutionDepthWise": maps.deconvolution,
    "Pooling": maps.pooling,
    "ShuffleChannel": maps.shuffle,
    "Interp": maps.interp,
    "PixelShuffle": maps.pixel_shuffle,
    "Reorg": maps.reorg,
    "Padding": maps.padding,
    "Concat": forms.concat,
    "Slice": forms.cut,
    "Crop": forms.crop,
    "Split": forms.copies,
    "Noop": forms.pass_on,
    "Permute": forms.permute,
    "Reshape": forms.reshape,
    "Flatten": forms.flatten,
    "Squeeze": forms.squeeze,
    "ExpandDims": forms.expand,
    "Reduction": forms.reduce,
    "GLU": forms.halve,
    "MemoryData": forms.constant,
    "BinaryOp": products.binary,
    "Eltwise": products.combine,
    "InnerProduct": products.inner_product,
    "MatMul": products.matmul,
    "Gemm": products.gemm,
    "MultiHeadAttention": products.attention,
    "SDPA": products.scaled_attention,
    "Softmax": products.softmax,
    "BatchNorm": products.per_channel,
    "Bias": products.per_channel,
    "Scale": products.per_channel,
    "PReLU": products.per_channel,
    "InstanceNorm": products.instance_norm,
    "GroupNorm": products.group_norm,
    "LayerNorm": products.layer_norm,
    "RMSNorm": products.layer_norm,
    **dict.fromkeys(ELEMENTWISE, forms.same),
}
