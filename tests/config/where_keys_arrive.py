"""Where a change of a key arrives: functions of a config that return something to compare."""

import dataclasses
from pathlib import Path

import torch

from nanodet.data.dataset import DetectionSet
from nanodet.data.loader import Batch
from nanodet.learn.objective import build_objective
from nanodet.learn.targets import GroundTruth
from nanodet.model.network import build_network
from nanodet.model.pretrained import load_pretrained
from nanodet.model.torch_backend import spec_of
from nanodet.train.device import trainer_devices
from nanodet.train.loggers import build_loggers, name_of
from nanodet.train.optimiser import build_optimiser, learning_rate_factor
from nanodet.train.sets import read_both_sets
from nanodet.train.teacher import build_distiller


def network(config):
    """The weights' names, shapes and whether they learn; outputs, before and after a step of norms."""
    net = build_network(config.model.arch)
    generator = torch.Generator().manual_seed(0)
    for name, tensor in net.state_dict().items():
        if tensor.is_floating_point():
            numbers = torch.randn(tensor.shape, generator=generator) / tensor[0].numel() ** 0.5
            tensor.copy_(numbers.abs() if name.endswith("running_var") else numbers)
    picture = torch.rand(2, 3, 64, 64, generator=generator)
    found = {name: tensor.shape for name, tensor in net.state_dict().items()}
    found |= {f"{name} learns": p.requires_grad for name, p in net.named_parameters()}
    with torch.no_grad():
        found["output"] = net.eval()(picture)
        net.train()(picture)
        found["output behind a step"] = net.eval()(picture)
    return found


def losses(config):
    head = config.model.arch.head
    objective = build_objective(build_network(config.model.arch), config.model.arch)
    generator = torch.Generator().manual_seed(0)
    boxes, labels = torch.tensor([[4.0, 6, 40, 50]]), torch.tensor([1])
    ignored = torch.tensor([[0.0, 0, 64, 36]])
    points = sum((64 // stride) ** 2 for stride in head.strides)
    output = torch.randn(
        (1, points, head.num_classes + 4 * (head.reg_max + 1)), generator=generator
    )
    return objective({"main": output}, [GroundTruth(boxes, labels, ignored)], (64, 64))


def loggers(config):
    return [name_of(logger) for logger in build_loggers(config, Path("run"))]


def distilled(config):
    """The losses of an untrained network towards its teacher."""
    torch.manual_seed(0)
    student = build_network(config.model.arch)
    distiller = build_distiller(student, config, "c.yml", print)
    objective = build_objective(student, config.model.arch)
    truths = [
        GroundTruth(torch.tensor([[4.0, 6, 40, 50]]), torch.tensor([1]), torch.zeros(0, 4))
    ] * 2
    size, images = (64, 64), torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    batch = Batch(images, [size] * 2, [], [], [], [0, 1], [0, 1], [], [size] * 2)
    with distiller.watched() as maps:
        outputs = student.training_outputs(torch.rand(2, 3, 64, 64), 0)
    targets, lesson = objective.targets(outputs, truths, size), distiller.lesson(batch, size)
    return distiller.losses(outputs, maps, lesson, objective, targets, truths, size)


def spec(config):
    return dataclasses.asdict(spec_of(build_network(config.model.arch), config))


def sets(config):
    said = []
    found = read_both_sets(config, "c.yml", said.append)
    pictures = [
        [(str(p.path), p.boxes.tolist(), p.labels.tolist()) for p in annotations.pictures]
        for annotations in found
    ]
    return [annotations.class_names for annotations in found], pictures, said


def sample(part):
    """The images of a set, as the trainer's loader gets them."""

    def observe(config):
        annotations = read_both_sets(config, "c.yml", print)[part == "val"]
        section = getattr(config.data, part)
        epochs = config.schedule.total_epochs
        data = DetectionSet(annotations, section, part == "train", config.seed or 0, epochs)
        found = [data[0, n, tuple(section.input_size)] for n in range(len(data))]
        return [(one.image, one.boxes) for one in found]

    return observe


def without_its_file(part):
    """Whether an image can be had when its file is gone: it can from the cache."""

    def observe(config):
        annotations = read_both_sets(config, "c.yml", print)[part == "val"]
        data = DetectionSet(annotations, getattr(config.data, part), False)
        annotations.pictures[0] = dataclasses.replace(annotations.pictures[0], path="gone.png")
        data[0, 0, (64, 64)]

    return observe


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4))
        self.head = torch.nn.Conv2d(4, 2, 1)


def optimiser(config):
    built = build_optimiser(Net(), config.schedule.optimizer)
    groups = [{**group, "params": len(group["params"])} for group in built.param_groups]
    return type(built).__name__, groups


def rates(config):
    """The learning rate over the first steps, and over the epochs behind the warm-up."""
    initial = config.schedule.optimizer.lr
    first = [learning_rate_factor(config.schedule, step, 0, initial) for step in range(400)]
    return first, [learning_rate_factor(config.schedule, 10**6, n, initial) for n in range(60)]


def devices(config):
    return trainer_devices(config.device, "c.yml")


def backbone(config):
    """The backbone's first weights, with what ``pretrain`` says."""
    torch.manual_seed(0)
    net = build_network(config.model.arch).backbone
    load_pretrained(net, config.model.arch.backbone)
    return net.conv1[0].weight.detach()
