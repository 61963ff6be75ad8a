package org.nanodet.app;

import android.app.Activity;
import android.content.Context;
import android.graphics.Matrix;
import android.hardware.display.DisplayManager;
import android.os.Handler;
import android.view.TextureView;
import android.view.View;

/**
 * Keeps the preview upright and fitted, however the device is held. Belongs to the main thread,
 * but for {@link #turn}.
 */
final class PreviewPlacer implements DisplayManager.DisplayListener, View.OnLayoutChangeListener {
    static final int UNKNOWN = -1;

    private final Activity activity;
    private final DisplayManager displays;
    private final TextureView preview;
    private final OverlayView overlay;
    private int displayDegrees;
    private CameraView camera;
    private volatile int turn = UNKNOWN;

    PreviewPlacer(Activity activity, Handler main, TextureView preview, OverlayView overlay) {
        this.activity = activity;
        this.preview = preview;
        this.overlay = overlay;
        displays = (DisplayManager) activity.getSystemService(Context.DISPLAY_SERVICE);
        // half a turn at once changes no configuration, but the display
        displays.registerDisplayListener(this, main);
        preview.addOnLayoutChangeListener(this);
    }

    void quit() {
        displays.unregisterDisplayListener(this);
    }

    /** @param camera what the preview shows from now on; null when there is none */
    void show(CameraView camera) {
        this.camera = camera;
        place();
    }

    /** Degrees clockwise that turn a frame upright; UNKNOWN when there is no camera. */
    int turn() {
        return turn;
    }

    /** Where things lie now; null when there is nothing to be seen. */
    ViewGeometry geometry() {
        if (camera == null || preview.getWidth() == 0 || preview.getHeight() == 0) {
            return null;
        }
        return new ViewGeometry(camera.frameWidth, camera.frameHeight, camera.sensorDegrees,
                displayDegrees, camera.front, preview.getWidth(), preview.getHeight());
    }

    /** To be called when the display may have turned. */
    void place() {
        // Surface.ROTATION_0, 90, 180 and 270 are 0 to 3
        displayDegrees = 90 * activity.getWindowManager().getDefaultDisplay().getRotation();
        overlay.clear();
        ViewGeometry geometry = geometry();
        if (geometry == null) {
            turn = UNKNOWN;
        } else {
            turn = geometry.turn();
            Matrix matrix = new Matrix();
            matrix.setValues(geometry.previewMatrix());
            preview.setTransform(matrix);
        }
    }

    @Override
    public void onLayoutChange(View view, int left, int top, int right, int bottom,
            int oldLeft, int oldTop, int oldRight, int oldBottom) {
        if (right - left != oldRight - oldLeft || bottom - top != oldBottom - oldTop) {
            place();
        }
    }

    @Override
    public void onDisplayChanged(int display) {
        place();
    }

    @Override
    public void onDisplayAdded(int display) {}

    @Override
    public void onDisplayRemoved(int display) {}
}
