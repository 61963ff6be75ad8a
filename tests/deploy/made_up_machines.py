"""The sysfs and procfs of machines that are not here."""

CPU, THERMAL = "sys/devices/system/cpu", "sys/class/thermal"

# name to the files under its root
BOARDS = {
    "a phone": {
        f"{CPU}/online": "0-3,6",
        "proc/meminfo": "MemFree:  1 kB\nMemTotal:        8052948 kB",
        "proc/cpuinfo": "\n\n".join(
            f"processor\t: {i}\nFeatures\t: fp asimd  asimdhp\nCPU implementer\t: 0x{maker}\n"
            f"CPU part\t: {part}"
            for i, maker, part in (
                (0, 41, "0xd05"),
                (1, 41, "0xd05"),
                (2, 51, "0x804"),
                (3, 41, "0xfff"),
                (6, 41, "-"),
            )
        )
        + "\n\nHardware\t: Qualcomm SM8350\nSerial\t: ",
        "sys/devices/soc0/machine": "\0",
        "sys/devices/soc0/soc_id": "415",
        **{f"{CPU}/cpu{i}/cpu_capacity": 325 if i < 2 else 1024 for i in (0, 1, 2, 3, 6)},
        **{f"{CPU}/cpu{i}/cpufreq/cpuinfo_max_freq": 1804800 + 7 * i for i in range(7)},
        f"{CPU}/cpu0/cpufreq/scaling_cur_freq": 1234567,
        f"{CPU}/cpu0/cpufreq/scaling_max_freq": "none",
        f"{CPU}/cpu1/cpufreq/scaling_governor": "schedutil",
        f"{THERMAL}/thermal_zone0/type": "cpu-0-0",
        f"{THERMAL}/thermal_zone0/temp": 81300,
        f"{THERMAL}/thermal_zone0/trip_point_0_type": "passive",
        f"{THERMAL}/thermal_zone0/trip_point_0_temp": 95000,
        f"{THERMAL}/thermal_zone0/trip_point_1_type": "hot",
        f"{THERMAL}/thermal_zone0/trip_point_1_temp": 75000,
        f"{THERMAL}/thermal_zone0/trip_point_2_type": "critical",
        f"{THERMAL}/thermal_zone0/trip_point_2_temp": 60000,
        f"{THERMAL}/thermal_zone0/trip_point_3_type": "passive",
        f"{THERMAL}/thermal_zone0/trip_point_3_temp": -274000,
        f"{THERMAL}/thermal_zone10/temp": 30123,
        f"{THERMAL}/thermal_zone2/type": "off",
        f"{THERMAL}/thermal_zone2/temp/nothing": "a folder",
        f"{THERMAL}/cooling_device0/type": "thermal-CPUfreq-0",
        f"{THERMAL}/cooling_device0/cur_state": 0,
        f"{THERMAL}/cooling_device1/type": "pwm-fan",
        f"{THERMAL}/cooling_device1/cur_state": 3,
        f"{THERMAL}/cooling_device10/type": "cpufreq-cpu4",
        f"{THERMAL}/cooling_device10/cur_state": 2,
    },
    "a Raspberry Pi": {
        # no list of cores; the paragraph behind those of the cores counts in both programs
        "proc/cpuinfo": "\n\n".join(
            f"processor\t: {i}\nBogoMIPS\t: 108.00\nFeatures\t: fp crc32\n"
            "CPU implementer\t: 0x41\nCPU part\t: 0xd0b"
            for i in range(4)
        )
        + "\n\nRevision\t: c04170\nModel\t\t: Raspberry Pi 5",
        "proc/meminfo": "MemTotal: 8245184 kB",
        "sys/firmware/devicetree/base/model": "Raspberry Pi 5 Model B Rev 1.0\0",
        "sys/firmware/devicetree/base/compatible": "raspberrypi,5-model-b\0brcm,bcm2712\0",
        "sys/devices/platform/soc/soc:firmware/get_throttled": "50005",
        **{f"{CPU}/cpu{i}/cpufreq/scaling_governor": "ondemand" for i in range(4)},
    },
    "a PC": {
        "proc/cpuinfo": "processor\t: 0\nmodel name\t: AMD: EPYC\nflags\t: sse avx2\n\nprocessor\t: 1",
        "proc/meminfo": "no total",
        f"{CPU}/online": "0-1",
        f"{CPU}/cpu0/cpufreq/cpuinfo_max_freq": 3000000,
        f"{CPU}/cpu1/cpufreq/cpuinfo_max_freq": 2000000,
        "sys/class/dmi/id/product_name": "Standard PC",
        "sys/devices/platform/soc/soc:firmware/get_throttled": "0x1g",
    },
    "nothing told": {},
}


def write_tree(root, files):
    """Write files (path to text or number) below ``root``, and return it."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(text) if "\0" in str(text) else f"{text}\n")
    root.mkdir(exist_ok=True)
    return root
