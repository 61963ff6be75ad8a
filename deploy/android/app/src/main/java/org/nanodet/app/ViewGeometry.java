package org.nanodet.app;

/**
 * Where camera frames and boxes lie on the screen: the frame is turned upright, a front camera's is
 * mirrored, and it is scaled to fit the view, centred. Knows nothing of Android.
 *
 * <p>The frame is as the sensor gives it; upright is how the user holds the device.
 */
public final class ViewGeometry {
    private final int sensorDegrees;
    private final int displayDegrees;
    private final boolean front;
    private final int frameWidth;
    private final int frameHeight;
    private final int viewWidth;
    private final int viewHeight;

    /**
     * @param frameWidth pixels of the sensor's frame
     * @param frameHeight pixels of the sensor's frame
     * @param sensorDegrees the camera's SENSOR_ORIENTATION: 0, 90, 180 or 270
     * @param displayDegrees the display's rotation: 0, 90, 180 or 270
     * @param front whether the camera looks at the user
     * @param viewWidth pixels of the view that shows it
     * @param viewHeight pixels of the view that shows it
     */
    public ViewGeometry(
            int frameWidth, int frameHeight, int sensorDegrees, int displayDegrees, boolean front,
            int viewWidth, int viewHeight) {
        this.frameWidth = frameWidth;
        this.frameHeight = frameHeight;
        this.sensorDegrees = sensorDegrees;
        this.displayDegrees = displayDegrees;
        this.front = front;
        this.viewWidth = viewWidth;
        this.viewHeight = viewHeight;
    }

    /**
     * Degrees clockwise that turn a frame upright. A display that turns one way turns the scene the
     * other way; seen from behind, as a front camera sees it, it is the same way.
     */
    public static int turn(int sensorDegrees, int displayDegrees, boolean front) {
        return (sensorDegrees + (front ? displayDegrees : 360 - displayDegrees)) % 360;
    }

    public int turn() {
        return turn(sensorDegrees, displayDegrees, front);
    }

    /** Width of the upright image in pixels. */
    public int uprightWidth() {
        return turn() % 180 == 0 ? frameWidth : frameHeight;
    }

    /** Height of the upright image in pixels. */
    public int uprightHeight() {
        return turn() % 180 == 0 ? frameHeight : frameWidth;
    }

    /** View pixels per image pixel. */
    public float scale() {
        return Math.min((float) viewWidth / uprightWidth(), (float) viewHeight / uprightHeight());
    }

    /** Maps a box of the upright, unmirrored image to {left, top, right, bottom} in the view. */
    public float[] toView(float left, float top, float right, float bottom) {
        float scale = scale();
        float width = uprightWidth();
        float x = (viewWidth - scale * width) / 2;
        float y = (viewHeight - scale * uprightHeight()) / 2;
        float from = front ? width - right : left;
        float to = front ? width - left : right;
        return new float[] {x + scale * from, y + scale * top, x + scale * to, y + scale * bottom};
    }

    /**
     * The nine values, row by row, of the matrix that a TextureView needs. By itself it shows the
     * frame turned by the sensor's orientation (a front camera's mirrored), right for a display
     * that is not turned, and stretched over the whole view.
     */
    public float[] previewMatrix() {
        boolean across = sensorDegrees % 180 != 0;
        double naturalWidth = across ? frameHeight : frameWidth;
        double naturalHeight = across ? frameWidth : frameHeight;
        double angle = Math.toRadians(-displayDegrees);
        double unstretchX = scale() * naturalWidth / viewWidth;
        double unstretchY = scale() * naturalHeight / viewHeight;
        double xx = Math.cos(angle) * unstretchX;
        double xy = -Math.sin(angle) * unstretchY;
        double yx = Math.sin(angle) * unstretchX;
        double yy = Math.cos(angle) * unstretchY;
        double centreX = viewWidth / 2.0;
        double centreY = viewHeight / 2.0;
        return new float[] {
            (float) xx, (float) xy, (float) (centreX - xx * centreX - xy * centreY),
            (float) yx, (float) yy, (float) (centreY - yx * centreX - yy * centreY),
            0, 0, 1
        };
    }
}
