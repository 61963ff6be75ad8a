"""The catalogue of published models.

Only files that were inspected and whose hash is known are listed. An address names the commit, so
that it always gives the same bytes.
"""

from dataclasses import dataclass

from nanodet.runtime.spec import Spec

COCO_NAMES = tuple(
    "person bicycle car motorcycle airplane bus train truck boat traffic_light fire_hydrant "
    "stop_sign parking_meter bench bird cat dog horse sheep cow elephant bear zebra giraffe "
    "backpack umbrella handbag tie suitcase frisbee skis snowboard sports_ball kite baseball_bat "
    "baseball_glove skateboard surfboard tennis_racket bottle wine_glass cup fork knife spoon bowl "
    "banana apple sandwich orange broccoli carrot hot_dog pizza donut cake chair couch "
    "potted_plant bed dining_table toilet tv laptop mouse remote keyboard cell_phone microwave "
    "oven toaster sink refrigerator book clock vase scissors teddy_bear hair_drier toothbrush".split()
)


@dataclass(frozen=True)
class File:
    """A published file: its name, size in bytes and SHA-256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Published:
    """A published ncnn model.

    Attributes:
        name: for users, and of its files in the cache.
        about: one line on what it is.
        folder: URL of the folder of the files.
        param, weights: the files as published.
        spec: inputs and outputs of the graph, which the files themselves do not contain.
        arch: ``model.arch`` of the config that trains this network.
        ap: measured AP at the spec's input and fit on 500 images of COCO val2017.
        licence: of the weights, as far as known.
    """

    name: str
    about: str
    folder: str
    param: File
    weights: File
    spec: Spec
    arch: dict
    ap: float
    licence: str

    @property
    def size(self) -> int:
        """Size of the download in bytes."""
        return self.param.size + self.weights.size


# neither repository has a licence file
_LICENCE = "not stated there; NanoDet, which they come from, is Apache-2.0"

_ALL = (
    Published(
        name="nanodet-m_320",
        about="NanoDet-m, COCO, 320 x 320, fp16 storage: ncnn's own example",
        folder="https://raw.githubusercontent.com/nihui/ncnn-assets/"
        "511aee8dde1fe3676c3a3e60152b54e1a0dd06a1/models",
        param=File(
            "nanodet_m.param", 13622,
            "8543dccd5604ded10d06bdb2b2f702f8f2f1dac09652c81750f21bf0a6e3f1a8",
        ),
        weights=File(
            "nanodet_m.bin", 1901612,
            "8d7f846cfc340a3ef66389f174a66819709f7182b9d35788ee1506679caac65e",
        ),
        spec=Spec(
            class_names=COCO_NAMES, strides=(8, 16, 32), reg_max=7, point_offset=0.5, any_size=True,
        ),
        arch={
            "backbone": {"name": "ShuffleNetV2", "model_size": "1.0x"},
            "fpn": {"name": "PAN", "in_channels": [116, 232, 464]},
            "head": {"name": "NanoDetHead"},
        },
        ap=18.63,
        licence=_LICENCE,
    ),
    Published(
        name="nanodet-plus-m_320",
        about="NanoDet-Plus-m, COCO, 320 x 320, fp16 storage",
        folder="https://raw.githubusercontent.com/Deepdive543443/ncnn-android-nanodet/"
        "4dfacc84c280252f090b38a6e255cac3b4c88638/app/src/main/assets",
        param=File(
            "nanodet-plus-m_320.param", 21686,
            "b93f9ff62a189aaaf00792d52bbaf20ad56ebaf2c49c8dac8d7c335d8464c362",
        ),
        weights=File(
            "nanodet-plus-m_320.bin", 2397184,
            "491f4b99a1e9edda04d70815814c953a6a134033378060227c1aa261175111ad",
        ),
        spec=Spec(
            class_names=COCO_NAMES, fit="stretch", strides=(8, 16, 32, 64), reg_max=7,
            point_offset=0.0, model="nanodet-plus-m", any_size=True,
        ),
        arch={
            "name": "NanoDetPlus",
            "detach_epoch": 10,
            "backbone": {"name": "ShuffleNetV2", "model_size": "1.0x"},
            "fpn": {
                "name": "GhostPAN", "out_channels": 96, "kernel_size": 5, "num_extra_level": 1,
                "use_depthwise": True, "activation": "LeakyReLU",
            },
            "head": {"name": "NanoDetPlusHead", "feat_channels": 96, "activation": "LeakyReLU"},
            "aux_head": {
                "name": "SimpleConvHead", "feat_channels": 192, "activation": "LeakyReLU",
            },
        },
        ap=25.33,
        licence=_LICENCE,
    ),
)  # fmt: skip
CATALOGUE = {model.name: model for model in _ALL}
