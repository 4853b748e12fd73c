"""The machine underneath: what it is, and what it can really do. Imports torch only when asked something about it."""

import ctypes
import os
import platform
import subprocess
import sys
import warnings
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

BFLOAT16_UNITS = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")  # x86 twice, ARM twice
"""What says that a processor multiplies bfloat16."""
INT8_UNITS = {
    "amx_int8": "AMX int8",
    "avx512_vnni": "AVX-512 VNNI",
    "avx_vnni": "AVX VNNI",
    "i8mm": "int8 matrix multiplication",
    "dotprod": "dot products of int8",
}
"""What says that a processor multiplies and adds int8 in one instruction, and what that is called."""
CONTROL_GROUP = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""What says how much memory a container has, in both versions of control groups."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def best_device() -> "torch.device":
    """The accelerator if there is one that works, else the CPU."""
    import torch

    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


def device_named(name: "str | None") -> "torch.device":
    """The device of this name, the best one without a name. Raises ``ValueError`` where nothing computes on it here."""
    import torch

    if name is None:
        return best_device()
    try:
        with warnings.catch_warnings(action="ignore"):
            place = torch.device(name)
            works = torch.ones(2, device=place).sum().item() == 2 and not (place.type == "cpu" and place.index)
    except Exception:  # every backend that is not there says so in its own way; on meta nothing has a value
        works = False
    if not works:
        best = torch.accelerator.current_accelerator(check_available=True)
        there = ["cpu", *(f"{best.type}:{number}" for number in range(torch.accelerator.device_count()) if best)]
        raise ValueError(f"--device must be one that computes here, {' or '.join(there)}; got {name!r}.")
    return place


def has_bfloat16(device: "torch.device | str") -> bool:
    """Whether the device multiplies bfloat16 in hardware: elsewhere it is emulated, up to 30 times slower than float32.

    Asked of the processor's features, never guessed; ``False`` for a kind of device that cannot be asked.
    """
    import torch

    device = torch.device(device)
    if device.type == "cpu":
        features = torch.cpu.get_capabilities()
        return any(features.get(unit) is True for unit in BFLOAT16_UNITS)
    if device.type == "cuda" and torch.cuda.is_available():
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return False


def int8_units() -> tuple[str, ...]:
    """The instructions of this processor that multiply and add int8 at once; without them int8 may be no faster."""
    import torch

    features = torch.cpu.get_capabilities()
    return tuple(words for unit, words in INT8_UNITS.items() if features.get(unit) is True)


def gains_from_bfloat16(device: "torch.device | str") -> bool:
    """Whether training in bfloat16 is to be expected faster than in float32 on the device.

    Intel's AVX-512 multiplies no more numbers of 16 bits at a time than of 32: without AMX, a step of PyTorch 2.13 took
    1.65 times as long as in float32 (an MLP of 1200 units), 1.5 (a transformer's feed-forward layer), 1.1 to 1.6
    (ResNets and VGG). On AMD's it took 0.54 times as long (resnet20).
    """
    import torch

    if torch.device(device).type == "cpu":
        features = torch.cpu.get_capabilities()
        if "Intel" in str(features.get("cpu_name")) and features.get("amx_bf16") is not True:
            return False
    return has_bfloat16(device)


def tune_allocator() -> bool:
    """Let freed memory stay with this process; whether that could be arranged (Linux with glibc only).

    By default glibc returns every large tensor's pages to the system and fetches them anew in the next step, which
    costs a teacher's forward pass on a CPU about a quarter of its time. The process keeps its peak memory instead.
    For programs, at their start; never on import. The command does it; a program that imports this package calls it
    itself: ``tutelage.tune_allocator()``.
    """
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # Some versions refuse a threshold above 32 MiB: then that much is still better than the 128 KiB it starts with.
    return bool(
        (mallopt(M_MMAP_THRESHOLD, 2**30) or mallopt(M_MMAP_THRESHOLD, 2**25)) and mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    )


def environment(precision: str = "float32") -> dict[str, Any]:
    """What a number may depend on: versions, processor, threads, memory (bytes), precision, git commit, date (UTC).

    The commit is that of the source checkout this package runs from, ending in ``-dirty`` if files differ from it, and
    ``None`` where there is no checkout. No paths, no names of machines or people.
    """
    import torch

    return {
        "tutelage": _version("tutelage"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": _version("numpy"),
        "platform": system(),
        "processor": processor(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "memory_bytes": memory_bytes(),
        "precision": precision,
        "git_commit": git_commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def cores() -> int:
    """The number of processors that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def system() -> str:
    """The operating system, the first two numbers of its release, the architecture, and the C library."""
    release = ".".join(platform.release().split(".")[:2])
    return " ".join(filter(None, (platform.system(), release, platform.machine(), *platform.libc_ver())))


def processor() -> str:
    """The processor's name as the system gives it, with the accelerator's where there is one."""
    import torch

    names = [_cpu_name()]
    if torch.cuda.is_available():
        names.append(torch.cuda.get_device_name())
    return " + ".join(names)


def memory_bytes() -> int | None:
    """The size of the machine's memory, ``None`` where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return None


def memory_limit(device: "torch.device | str" = "cpu") -> int | None:
    """The bytes that this process may take on the device, ``None`` where nobody tells.

    Of an accelerator's memory all; of the machine's no more than its control group and the limits of the shell allow.
    """
    import torch

    device = torch.device(device)
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    if device.type != "cpu":
        return None
    limits = [memory_bytes(), *map(_number_in, CONTROL_GROUP), _address_space()]
    return min((limit for limit in limits if limit is not None), default=None)


def usable_memory() -> int:
    """The bytes of the machine's memory that this process may take; 16 GiB where nobody tells."""
    return memory_limit("cpu") or 2**34


def free_memory(device: "torch.device | str" = "cpu") -> int:
    """The bytes that this process may still take on the device: what the system, its control group and the shell leave.

    As many as ``usable_memory`` where nobody tells.
    """
    import torch

    device = torch.device(device)
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = [usable_memory()]
    with suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free.append(1024 * int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]))
    with suppress(OSError, ValueError):
        limit = int(CONTROL_GROUP[0].read_text(encoding="ascii"))
        free.append(limit - int(CONTROL_GROUP[0].with_name("memory.current").read_text(encoding="ascii")))
    if (space := _address_space()) is not None:
        with suppress(OSError, ValueError):
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
            free.append(space - pages * os.sysconf("SC_PAGE_SIZE"))
    return max(min(free), 0)


def git_commit(checkout: Path = Path(__file__).parents[2]) -> str | None:
    """The commit of ``checkout``, ending in ``-dirty`` if tracked files differ from it; ``None`` without a commit."""
    if not (checkout / ".git").exists():  # an installed package may lie inside somebody else's repository
        return None
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None


def _number_in(file: Path) -> int | None:
    """The number that a file of the system holds; none for ``max``, or where there is no such file."""
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _address_space() -> int | None:
    """The soft limit that ``ulimit -v`` sets."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else soft


def _cpu_name() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
