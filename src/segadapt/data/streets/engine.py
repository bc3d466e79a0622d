"""The renderer: Panda3D's software rasteriser in two off-screen buffers, without display or GPU."""

from functools import lru_cache

import numpy as np

from segadapt.core.errors import UserError
from segadapt.data.streets.materials import TEXTURES, texture_image

SUPERSAMPLING = 2
SKY_KEY = (255, 0, 255)
"""What the colour pass holds where nothing was drawn; no vertex colour reaches it."""
_LABEL_STEP = 12
_NEAR, _FAR = 0.6, 400.0

VERTEX = np.dtype([("point", "<f4", 3), ("colour", "u1", 4), ("uv", "<f4", 2)])
LABEL_VERTEX = np.dtype([("point", "<f4", 3), ("colour", "u1", 4)])


def _panda():
    try:
        from panda3d import core
    except ImportError as error:
        raise UserError(
            "the built-in streets need the package panda3d to be rendered: run `pip install panda3d`"
        ) from error
    return core


class Renderer:
    """Two buffers of one size: the supersampled colour picture and the exact label picture."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.core = core = _panda()
        core.load_prc_file_data(
            "",
            "notify-level-display fatal\nnotify-level-device fatal\ntextures-power-2 none\naudio-library-name null\n",
        )
        self.width, self.height = size
        self.engine = core.GraphicsEngine()
        self.pipe = core.GraphicsPipeSelection.get_global_ptr().make_pipe("TinyOffscreenGraphicsPipe", "p3tinydisplay")
        if self.pipe is None:
            raise UserError("panda3d was installed without its software renderer p3tinydisplay: reinstall panda3d")
        self.lens = core.PerspectiveLens()
        self.lens.set_near_far(_NEAR, _FAR)
        self.image = self._buffer("image", SUPERSAMPLING, SKY_KEY)
        self.label = self._buffer("label", 1, (0, 0, 0))
        self.textures = [None] + [self._texture(texture_image(name)) for name in TEXTURES[1:]]

    def _buffer(self, name: str, factor: int, clear: tuple[int, int, int]):
        core = self.core
        window = core.WindowProperties.size(self.width * factor, self.height * factor)
        frame = core.FrameBufferProperties()
        frame.set_rgba_bits(8, 8, 8, 8)
        frame.set_depth_bits(24)
        output = self.engine.make_output(self.pipe, name, 0, frame, window, core.GraphicsPipe.BF_refuse_window)
        if output is None:
            raise UserError(f"panda3d could not open an off-screen buffer of {self.width}x{self.height} times {factor}")
        output.set_clear_color((*(channel / 255 for channel in clear), 1))
        grabbed = core.Texture()
        output.add_render_texture(grabbed, core.GraphicsOutput.RTM_copy_ram)
        root = core.NodePath(name)
        root.set_two_sided(True)
        root.node().set_bounds(core.OmniBoundingVolume())
        root.node().set_final(True)
        camera = root.attach_new_node(core.Camera(name, self.lens))
        output.make_display_region().set_camera(camera)
        return output, grabbed, root

    def _texture(self, image_HWC: np.ndarray):
        core = self.core
        texture = core.Texture()
        height, width, _ = image_HWC.shape
        texture.setup_2d_texture(width, height, core.Texture.T_unsigned_byte, core.Texture.F_rgb)
        texture.set_ram_image(np.ascontiguousarray(image_HWC[::-1, :, ::-1]).tobytes())
        texture.set_minfilter(core.SamplerState.FT_linear_mipmap_nearest)
        texture.set_magfilter(core.SamplerState.FT_linear)
        texture.set_wrap_u(core.SamplerState.WM_repeat)
        texture.set_wrap_v(core.SamplerState.WM_repeat)
        return texture

    def _mesh(self, vertices: np.ndarray, form):
        """A GeomNode of quads; ``vertices`` (4N,) of VERTEX or LABEL_VERTEX."""
        core = self.core
        data = core.GeomVertexData("", form, core.Geom.UH_static)
        data.unclean_set_num_rows(len(vertices))
        memoryview(data.modify_array(0)).cast("B")[:] = vertices.tobytes()
        corners = np.arange(len(vertices), dtype=np.uint32).reshape(-1, 4)
        index = np.ascontiguousarray(corners[:, [0, 1, 2, 0, 2, 3]])
        triangles = core.GeomTriangles(core.Geom.UH_static)
        triangles.set_index_type(core.Geom.NT_uint32)
        array = triangles.modify_vertices()
        array.unclean_set_num_rows(index.size)
        memoryview(array).cast("B")[:] = index.tobytes()
        geom = core.Geom(data)
        geom.add_primitive(triangles)
        node = core.GeomNode("")
        node.add_geom(geom)
        return node

    def render(
        self, batches: dict[int, np.ndarray], shadow: np.ndarray, label: np.ndarray, fov: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draws one scene given in camera axes.

        Args:
            batches: VERTEX arrays (4N,) by texture number.
            shadow: VERTEX array, blended by alpha over the rest.
            label: LABEL_VERTEX array whose red channel is class number times ``label_code(1)``.
            fov: horizontal field of view in degrees.

        Returns:
            colour (2H,2W,3) uint8 with ``SKY_KEY`` where empty, and class numbers (H,W) uint8.
        """
        core = self.core
        self.lens.set_aspect_ratio(self.width / self.height)
        self.lens.set_fov(fov)
        made = []
        for texture, vertices in sorted(batches.items()):
            node = self.image[2].attach_new_node(self._mesh(vertices, core.GeomVertexFormat.get_v3c4t2()))
            # Left to itself Panda3D orders by memory address, and the first of two equally deep surfaces wins.
            node.set_bin("fixed", texture)
            if texture:
                node.set_texture(self.textures[texture])
            made.append(node)
        if len(shadow):
            node = self.image[2].attach_new_node(self._mesh(shadow, core.GeomVertexFormat.get_v3c4t2()))
            node.set_bin("fixed", len(self.textures))
            node.set_transparency(core.TransparencyAttrib.M_alpha)
            node.set_depth_write(False)
            made.append(node)
        made.append(self.label[2].attach_new_node(self._mesh(label, core.GeomVertexFormat.get_v3c4())))
        self.engine.render_frame()
        for node in made:
            node.remove_node()
        code = self._grab(self.label[1])[..., 0].astype(np.int16)
        number = (code + _LABEL_STEP // 2) // _LABEL_STEP
        assert np.abs(code - number * _LABEL_STEP).max() <= 1, "the label pass mixed two classes"
        return self._grab(self.image[1]), number.astype(np.uint8)

    def _grab(self, texture) -> np.ndarray:
        flat = np.frombuffer(texture.get_ram_image_as("RGB"), np.uint8)
        return flat.reshape(texture.get_y_size(), texture.get_x_size(), 3)[::-1]


def label_code(number: np.ndarray) -> np.ndarray:
    """The grey level by which the label pass draws a class number."""
    return (number * _LABEL_STEP).astype(np.uint8)


@lru_cache(maxsize=2)
def renderer_of(size: tuple[int, int]) -> Renderer:
    """The one renderer of this process for ``size`` (width, height)."""
    return Renderer(size)
