"""Compiles every kernel of ``segadapt.losses`` in every variant for compute capability 9.0; a GPU is not needed.

Prints one line a variant: its name and the bytes of its machine code. Few classes keep it short.
"""

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from segadapt.losses.cuda import cells as triton_cells
from segadapt.losses.cuda import labelled as triton_labelled
from segadapt.losses.cuda import target as triton_target

GRID = triton_cells.CellGrid(batch=1, classes=3, low=(9, 9), size=(64, 64))
POINTERS = {"labels": "*u8", "counts": "*i32"} | dict.fromkeys(
    ("logits", "final", "weights", "values", "corners", "gradient", "scale"), "*fp32"
)
CASES = [
    ("histogram", triton_target._histogram_kernel, {}),
    ("gather", triton_cells._gather_kernel, {"CLASSES": 3, "BLOCK": 128}),
    *(
        (f"{objective}, {weight}", triton_target._target_kernel, {"OBJECTIVE": objective, "WEIGHT": weight})
        for objective in ("max_squares", "entropy")
        for weight in ("none", "pixel", "class")
    ),
    *((source, triton_labelled._labelled_kernel, {"SOURCE": source, "WEIGHTED": False}) for source in
      ("given", "own", "guided own", "guided winner")),
    ("given, weighted", triton_labelled._labelled_kernel, {"SOURCE": "given", "WEIGHTED": True}),
]  # fmt: skip


def compile_one(kernel: triton.JITFunction, more: dict) -> bytes:
    """The machine code of a kernel with these constants beside those of the grid."""
    known = GRID.constants | {"GRADIENT": True} | more
    warps = known.pop("num_warps")
    types, constants = {}, {}
    for place, name in enumerate(kernel.arg_names):
        if name.isupper():
            types[name], constants[(place,)] = "constexpr", known[name]
        else:
            types[name] = "fp32" if name == "threshold" else POINTERS.get(name, "i32")
    source = ASTSource(kernel, types, constants, {})
    return triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": warps}).asm["cubin"]


for name, kernel, more in CASES:
    print(name, len(compile_one(kernel, more)))
