"""Checkpoints that are small as files and endless in memory: refused before torch reads them."""

import os
import pickle
import struct
import zipfile

import pytest
import torch

from nanodet.model.load_plain import load_plain

READ = "nanodet.model.checkpoint:read_checkpoint"
LEGACY = (119547037146038801333356, 1001, {"protocol_version": 1001, "little_endian": True})
PAIRS = b"K\x01" + b"q\x00h\x00\x86" * 100  # a tuple of a tuple twice, of a tuple twice, ...


def text(letters):
    data = letters.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value):
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def state(items):
    """Return a pickle of ``{"state_dict": items}``."""
    inner = b"".join(text(name) + value for name, value in items)
    return b"\x80\x02}" + text("state_dict") + b"}(" + inner + b"us."


def long(value):
    data = value.to_bytes(value.bit_length() // 8 + 1, "little")
    return b"\x8a" + bytes([len(data)]) + data


def call(module, name, arguments):
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + arguments + b"R."


def tensor(key, count, shape, strides):
    """Return the opcodes of a float32 tensor of a storage of ``count`` values."""
    shape, strides = (b"(" + b"".join(map(number, sides)) + b"t" for sides in (shape, strides))
    storage = text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + number(count)
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n((" + storage + b"tQK\x00" + shape + strides
        + b"\x89ccollections\nOrderedDict\n)RtR"
    )  # fmt: skip


def write(path, pickled, storages=(), compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("a/data.pkl", pickled)
        archive.writestr("a/version", "3\n")
        archive.writestr("a/byteorder", "little")
        for key, data in storages:
            archive.writestr(f"a/data/{key}", data)


def nested(times=40, kind=list):
    value = "x"
    for _ in range(times):
        value = kind([value] * 9)
    return value


ONE = [("0", bytes(16))]
PICKLES = {
    "tuples as a key": (b"\x80\x02}" + PAIRS + b"K\x01s.", "1,000 values"),
    "tuples in a set": (b"\x80\x02cbuiltins\nset\n](" + PAIRS + b"e\x85R.", "1,000 values"),
    "a call for memory": (call("builtins", "bytearray", number(10**11) + b"\x85"), "bytearray"),
    "a tensor without data": (call("torch", "FloatTensor", number(10**9) + b"\x85"), "FloatTensor"),
    "an array": (call("numpy", "ndarray", number(10**10) + b"\x85\x85"), "ndarray"),
    "a slow codec": (
        call("_codecs", "encode", text("é" * 1000) + text("punycode") + b"\x86"), "encode",
    ),
    "a list in itself": (b"\x80\x02}" + text("state_dict") + b"]q\x00h\x00as.", "holds itself"),
    "a deep list": (b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b".", "levels deep"),
    "many numbers": (b"\x80\x02](" + b"K\x01" * 1_500_000 + b"e.", "1,000,000 steps"),
    "many names": (state((f"model.backbone.{n}", b"K\x01") for n in range(400_000)), "longer"),
    "many calls": (
        b"\x80\x02](" + b"ccollections\nOrderedDict\n)q\x00R" * 100_001 + b"e.", "100,000 tensors",
    ),
    "a long claim": (b"\x80\x02X\xff\xff\xff\xff.", "damaged"),
    "keys of one hash": (
        b"\x80\x02}(" + b"".join(long(n * (2**61 - 1)) + b"K\x01" for n in range(1, 200_000)) + b"u.",
        "64 bits",
    ),
    "tuples of one hash": (b"\x80\x02}K\x01K\x02\x86K\x01s.", "a tuple"),
}  # fmt: skip


def reduce(function, *given):
    """Return the opcodes of a call."""
    module, _, name = function.rpartition(".")
    return f"c{module}\n{name}\n(".encode() + b"".join(given) + b"tR"


def dtype(name):
    return reduce("numpy.dtype", text(name), b"\x89", b"\x88")


def state_of(*, version=3, order="<", last=(-1, -1, 0)):
    """Return the opcodes that give a dtype its state."""
    end = b"".join(b"J" + struct.pack("<i", value) for value in last)
    return b"(" + number(version) + text(order) + b"NNN" + end + b"tb"


def storage(kind, key, count):
    inner = text("storage") + f"ctorch\n{kind}Storage\n".encode() + text(key) + text("cpu")
    return b"(" + inner + number(count) + b"tQ"


def odd_tensor(count=4, start=0, shape=(4,), strides=(1,), function="_rebuild_tensor_v2", more=b""):
    shape, strides = (b"(" + b"".join(map(number, sides)) + b"t" for sides in (shape, strides))
    return reduce(
        f"torch._utils.{function}", storage("Float", "0", count), number(start), shape, strides,
        b"\x89", reduce("collections.OrderedDict"), more,
    )  # fmt: skip


SCALAR = "numpy._core.multiarray.scalar"
EIGHT = b"U\x08" + bytes(8)
REPEATED = odd_tensor(shape=(600_000_000,), strides=(0,))
# values of a state_dict, each of which torch or numpy would believe
VALUES = {
    "an object of a structure": reduce(SCALAR, dtype("O8,O8")),
    "an object": reduce(SCALAR, dtype("O"), EIGHT),
    "a pointer": reduce(SCALAR, dtype("f8"), text("x" * 8)),
    "no data": reduce(SCALAR, dtype("f8")),
    "other data": reduce(SCALAR, dtype("f8"), b"U\x04" + bytes(4)),
    "two gigabytes": reduce(SCALAR, dtype("V2000000000")),
    "a wide dtype": dtype("V2000000000"),
    "a dtype of many": dtype("(99999,99999)f8"),
    "a dtype of fields": dtype("f8," * 100_000),
    "a wide state": reduce(SCALAR, dtype("f8") + state_of(last=(2**31 - 1, 1, 0)), EIGHT),
    "an old state": reduce(SCALAR, dtype("f8") + state_of(version=4), EIGHT),
    "a class as dtype": reduce("numpy.dtype", b"ctorch\nFloatStorage\n", b"\x89", b"\x88"),
    "a cast of what is repeated": reduce(
        "torch._utils._rebuild_device_tensor_from_cpu_tensor", REPEATED, b"ctorch\nfloat64\n",
        text("cpu"), b"\x89",
    ),
    "sizes of what is repeated": reduce("torch.Size", REPEATED),
    "counts of what is repeated": reduce("collections.Counter", REPEATED),
    "pairs of what is repeated": reduce("collections.OrderedDict", REPEATED),
    "a state of a parameter": reduce(
        "torch._utils._rebuild_parameter_with_state", odd_tensor(), b"\x89", b"}", b"}",
    ),
    "a storage set again": odd_tensor() + b"(" + storage("Float", "0", 4) + b"K\x00K\x08\x85K\x01\x85tb",
    "more than its record": odd_tensor(count=200_000, shape=(200_000,)),
    "behind its storage": odd_tensor(shape=(200_000,)),
    "from behind its storage": odd_tensor(start=10**6),
    "before its storage": odd_tensor(start=-1),
    "over 2 to the 64": odd_tensor(shape=(2**62, 2**62), strides=(4, 4)),
    "many sides": odd_tensor(shape=(1,) * 900, strides=(1,) * 900),
    "of another width": odd_tensor(function="_rebuild_tensor_v3", more=b"ctorch\nfloat64\n"),
    "a storage of two kinds": b"(" + odd_tensor() + storage("Double", "0", 4) + b"t",
    "no record": storage("Float", "7", 4),
}  # fmt: skip
MANY = {
    "bytes of one text": (text("x" * 4_000_000) + b"q\x00", b"h\x00" + text("latin1"), "_codecs.encode"),
    "counts of one mapping": (
        b"}(" + b"".join(number(n) + b"K\x01" for n in range(20_000)) + b"uq\x00", b"h\x00",
        "collections.Counter",
    ),
}  # fmt: skip


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("case", PICKLES)
def test_a_pickle_that_would_take_all_time_or_memory_is_not_loaded(bounded, tmp_path, case, legacy):
    pickled, word = PICKLES[case]
    path = tmp_path / "x.ckpt"
    if legacy:
        start = b"".join(pickle.dumps(value, protocol=2) for value in LEGACY)
        path.write_bytes(start + pickled + pickle.dumps([], protocol=2))
    else:
        write(path, pickled)
    assert word in bounded.refusal(READ, str(path))


@pytest.mark.parametrize("case", VALUES)
def test_a_value_that_torch_and_numpy_would_believe_is_refused(bounded, tmp_path, case):
    """Some would end the process, some take memory, some show what lies behind a tensor."""
    path = tmp_path / "x.ckpt"
    harmless = ("model.backbone.x", tensor("1", 4, (4,), (1,)))
    write(path, state([harmless, ("x", VALUES[case])]), [*ONE, ("1", bytes(16))])
    assert "x.ckpt: " in bounded.refusal(READ, str(path))


@pytest.mark.parametrize("case", MANY)
def test_what_calls_copy_is_counted(bounded, tmp_path, case):
    path = tmp_path / "x.ckpt"
    once, given, function = MANY[case]
    write(path, b"\x80\x02" + once + b"](" + reduce(function, given) * 2000 + b"e.")
    assert "copies more than" in bounded.refusal(READ, str(path))


@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize("place", ["config", "save_dir", "class_names", "param_level_cfg", "loops"])
def test_lists_of_lists_are_not_written_out(bounded, small_checkpoint, tmp_path, place, kind):
    raw = torch.load(small_checkpoint, weights_only=True)
    config = raw["nanodet"]["config"]
    holder = {
        "config": raw["nanodet"], "loops": raw, "param_level_cfg": config["schedule"]["optimizer"],
    }.get(place, config)  # fmt: skip
    holder[place] = nested(kind=kind)
    raw["state_dict"] = dict(list(raw["state_dict"].items())[:3])
    torch.save(raw, tmp_path / "x.ckpt")
    assert "values" in bounded.refusal(READ, str(tmp_path / "x.ckpt"))


@pytest.mark.parametrize("names", [["x" * 2_000_000, "b"], ["x" + " " * 300_000 + "x", "b"]])
def test_long_class_names_are_refused(bounded, small_checkpoint, tmp_path, names):
    raw = torch.load(small_checkpoint, weights_only=True)
    raw["nanodet"]["config"]["class_names"] = [*names, "c"]
    torch.save(raw, tmp_path / "x.ckpt")
    assert "longer than 1000 bytes" in bounded.refusal(READ, str(tmp_path / "x.ckpt"))


def test_what_unpacks_a_thousandfold_is_not_unpacked(bounded, tmp_path):
    path = tmp_path / "x.ckpt"
    zeros = bytes(60_000_000)
    pickled = state([("model.backbone.x", tensor("0", 15_000_000, (15_000_000,), (1,)))])
    write(path, pickled, [("0", zeros)], zipfile.ZIP_DEFLATED)
    assert "would unpack to 60,00" in bounded.refusal(READ, str(path))


def test_a_record_under_many_names_is_not_read_many_times(bounded, tmp_path):
    path = tmp_path / "x.ckpt"
    spellings = ["".join(c.upper() if n >> i & 1 else c for i, c in enumerate("abcdefghijkl"))
                 for n in range(4096)]  # fmt: skip
    tensors = [
        (f"model.{n}", tensor(key, 10**6, (10**6,), (1,))) for n, key in enumerate(spellings)
    ]
    write(path, state(tensors), [("abcdefghijkl", bytes(4_000_000))])
    assert "damaged" in bounded.refusal(READ, str(path))


def test_entries_that_share_their_bytes_are_counted_each(bounded, tmp_path):
    path = tmp_path / "x.ckpt"
    write(path, state([]), [("00000", bytes(1_000_000))])
    data = path.read_bytes()
    end = data.rindex(b"PK\5\6")
    (start,) = struct.unpack_from("<I", data, end + 16)
    entry = data[data.rindex(b"PK\1\2") : end]
    copies = b"".join(entry.replace(b"00000", b"%05d" % n) for n in range(1, 1000))
    count, length = 1003, end - start + len(copies)
    tail = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, count, count, length, start, 0)
    path.write_bytes(data[:end] + copies + tail)
    assert "would unpack to" in bounded.refusal(READ, str(path))


def test_two_directories_of_a_zip_are_no_checkpoint(bounded, tmp_path):
    """Python looks for the directory before its end, torch where its end says that it is."""
    first, second = tmp_path / "bomb.ckpt", tmp_path / "good.ckpt"
    name = "model.backbone.x"
    write(first, state([(name, tensor("0", 10**7, (10**7,), (1,)))]), [("0", bytes(4 * 10**7))], 8)
    write(second, state([(name, tensor("0", 4, (4,), (1,)))]), ONE)
    bomb, good = first.read_bytes(), second.read_bytes()
    ends = bomb.rindex(b"PK\5\6"), good.rindex(b"PK\5\6")
    directory = bomb[ends[0] + 16 : ends[0] + 20]
    second.write_bytes(bomb[: ends[0]] + good[: ends[1] + 16] + directory + b"\0\0")
    assert "damaged" in bounded.refusal(READ, str(second))


@pytest.mark.parametrize(
    ("storages", "tensors"),
    [
        (ONE, [tensor("0", 4, (10**6, 10**6), (0, 0))]),
        ([("0", bytes(400_000))], [tensor("0", 10**5, (10**5,), (1,))] * 200),
    ],
    ids=["repeated", "shared"],
)
def test_tensors_do_not_claim_more_than_the_file_has(bounded, tmp_path, storages, tensors):
    path = tmp_path / "x.ckpt"
    write(path, state((f"model.backbone.{n}", one) for n, one in enumerate(tensors)), storages)
    assert "its tensors claim" in bounded.refusal(READ, str(path))


@pytest.mark.parametrize("start", [b"PK\3\4", b"\x80\x02"])
def test_a_sparse_file_is_not_read_to_its_end(bounded, tmp_path, start):
    path = tmp_path / "x.ckpt"
    path.write_bytes(start)
    os.truncate(path, 4 << 30)
    assert "damaged" in bounded.refusal(READ, str(path))


def test_what_torch_and_others_write_is_read(small_checkpoint, tmp_path):
    wanted = torch.load(small_checkpoint, weights_only=True)
    wanted |= {
        "optimizer_states": [{"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1}]}],
        "tied": [wanted["state_dict"]["model.head.gfl_cls.0.weight"]] * 3,
        "random": (3, tuple(range(625)), None), "bytes": b"\0\xff", "size": torch.Size([1, 2]),
    }  # fmt: skip
    for new in (True, False):
        path = tmp_path / f"{new}.ckpt"
        torch.save(wanted, path, _use_new_zipfile_serialization=new)
        found = load_plain(path)
        assert found["random"] == wanted["random"] and found["bytes"] == wanted["bytes"]
        assert found["state_dict"].keys() == wanted["state_dict"].keys()
    packed = tmp_path / "packed.ckpt"
    with zipfile.ZipFile(tmp_path / "True.ckpt") as archive:
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as out:
            for name in archive.namelist():
                out.writestr(name, archive.read(name))
    assert load_plain(packed)["random"] == wanted["random"]
