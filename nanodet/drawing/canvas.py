"""A matplotlib canvas with text in any script: letters missing in its font are drawn as on images."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg

from nanodet.drawing.lettering import put_text, text_width

FIRST_FOREIGN = "\u0590"  # DejaVu, matplotlib's font, has the alphabets below it


class AnyScriptCanvas(FigureCanvasAgg):
    """A canvas for `matplotlib.figure.Figure`."""

    def get_renderer(self):
        renderer = super().get_renderer()
        if not isinstance(renderer, _Renderer):
            renderer = self.renderer = _Renderer(renderer.width, renderer.height, renderer.dpi)
        return renderer


class _Renderer(RendererAgg):
    def get_text_width_height_descent(self, s, prop, ismath):
        if ismath or _is_plain(s):
            return super().get_text_width_height_descent(s, prop, ismath)
        size = self._pixels(prop)
        return float(text_width(s, size)), 1.15 * size, 0.25 * size

    def draw_text(self, gc, x, y, s, prop, angle, ismath=False, mtext=None):
        if ismath or _is_plain(s):
            super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)
            return
        size = self._pixels(prop)
        below, above = size // 4 + 1, size + size // 4
        mask = np.zeros((above + below, text_width(s, size) + 2), np.uint8)
        put_text(mask, s, (0, above), (255,), size)
        red, green, blue = (round(255 * part) for part in gc.get_rgb()[:3])
        picture = np.dstack([np.full_like(mask, part) for part in (red, green, blue)] + [mask])
        left, bottom = x, self.height - y - below
        if round(angle) % 180 == 90:  # upwards
            picture = np.rot90(picture)
            left, bottom = x - above, self.height - y
        self.draw_image(gc, round(left), round(bottom), np.ascontiguousarray(picture[::-1]))

    def _pixels(self, prop):
        return max(1, round(self.points_to_pixels(prop.get_size_in_points())))


def _is_plain(text):
    return all(char < FIRST_FOREIGN or char == "\u2212" for char in text)  # the minus sign of axes
