package org.nanodet.app;

import android.content.Context;
import android.graphics.SurfaceTexture;
import android.hardware.camera2.CameraAccessException;
import android.hardware.camera2.CameraManager;
import android.media.Image;
import android.os.Handler;
import android.os.HandlerThread;
import java.util.ArrayList;
import java.util.List;

/**
 * One camera with a preview and a stream of frames, on a thread of its own. Calls return at once
 * and are done there, in their order.
 */
final class Camera {
    /** Called on the camera's thread. */
    interface Listener {
        /** @param number what {@link Camera#start} was given */
        void onCameraStarted(int number, CameraView view);

        /** The frame is the listener's to close. */
        void onFrame(Image image);

        /**
         * The camera is closed.
         *
         * @param number what {@link Camera#start} was given
         * @param message a string resource
         */
        void onCameraFailed(int number, int message);

        /** Runs something when the listener works on no frame. */
        void afterFrame(Runnable action);
    }

    private static final int RETRY_MS = 50;

    private final HandlerThread thread = new HandlerThread("camera");
    private final Handler handler;
    private final CameraManager manager;
    private final Listener listener;
    private CameraSession session;
    private CameraSession closing;

    Camera(Context context, Listener listener) {
        this.listener = listener;
        manager = (CameraManager) context.getSystemService(Context.CAMERA_SERVICE);
        thread.start();
        handler = new Handler(thread.getLooper());
    }

    /** Identifiers of the cameras that give images, the system's first one first. */
    List<String> ids() throws CameraAccessException {
        List<String> ids = new ArrayList<>();
        for (String id : manager.getCameraIdList()) {
            if (CameraTraits.givesPictures(manager.getCameraCharacteristics(id))) {
                ids.add(id);
            }
        }
        return ids;
    }

    /**
     * Opens a camera in place of the one before.
     *
     * @param number comes back with what the camera tells
     * @param inputWidth of the network that looks at the frames, in pixels
     * @param viewWidth of the view of the preview, in pixels
     */
    void start(final int number, final String id, final SurfaceTexture texture,
            final int inputWidth, final int inputHeight, final int viewWidth,
            final int viewHeight) {
        handler.post(new Runnable() {
            @Override
            public void run() {
                closeSession();
                session = new CameraSession(number, manager, handler, listener);
                session.open(id, texture, inputWidth, inputHeight, viewWidth, viewHeight);
            }
        });
    }

    /** Closes the camera, if one is open. */
    void stop() {
        handler.post(new Runnable() {
            @Override
            public void run() {
                closeSession();
            }
        });
    }

    /** Frees what a camera drew on, once that is closed. */
    void release(final SurfaceTexture texture) {
        boolean posted = handler.post(new Runnable() {
            @Override
            public void run() {
                texture.release();
            }
        });
        if (!posted) {
            texture.release();
        }
    }

    /** Closes the camera, runs something and ends the camera's thread. */
    void quit(Runnable after) {
        stop();
        handler.post(after);
        handler.post(new Runnable() {
            @Override
            public void run() {
                if (closing != null && closing.isOpening()) {
                    // the system will hand over a camera, which nobody but this thread can close
                    handler.postDelayed(this, RETRY_MS);
                } else {
                    thread.quitSafely();
                }
            }
        });
    }

    private void closeSession() {
        if (session != null) {
            session.close();
            closing = session;
            session = null;
        }
    }
}
