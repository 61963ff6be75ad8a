package org.nanodet.app;

import android.content.Context;
import android.graphics.ImageFormat;
import android.graphics.SurfaceTexture;
import android.hardware.camera2.CameraAccessException;
import android.hardware.camera2.CameraCaptureSession;
import android.hardware.camera2.CameraCharacteristics;
import android.hardware.camera2.CameraDevice;
import android.hardware.camera2.CameraManager;
import android.hardware.camera2.CaptureRequest;
import android.hardware.camera2.params.StreamConfigurationMap;
import android.media.Image;
import android.media.ImageReader;
import android.os.Handler;
import android.os.HandlerThread;
import android.util.Size;
import android.view.Surface;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * One camera with a preview and a stream of frames, on a thread of its own. Everything but the public
 * calls runs there, in their order.
 */
final class Camera {
    /** Called on the camera's thread. */
    interface Listener {
        void onCameraStarted(View view);

        /** The frame is the listener's to close. */
        void onFrame(Image image);

        /** @param message a string resource; the camera is closed */
        void onCameraFailed(int message);

        /** Runs something when the listener works on no frame. */
        void afterFrame(Runnable action);
    }

    /** What the camera gives. */
    static final class View {
        final int frameWidth;
        final int frameHeight;
        final int sensorDegrees;
        final boolean front;

        View(int frameWidth, int frameHeight, int sensorDegrees, boolean front) {
            this.frameWidth = frameWidth;
            this.frameHeight = frameHeight;
            this.sensorDegrees = sensorDegrees;
            this.front = front;
        }
    }

    // one that the listener works on, and two for the newest of those that wait
    private static final int FRAMES = 3;

    private final HandlerThread thread = new HandlerThread("camera");
    private final Handler handler;
    private final CameraManager manager;
    private final Listener listener;
    private Session session;

    Camera(Context context, Listener listener) {
        this.listener = listener;
        manager = (CameraManager) context.getSystemService(Context.CAMERA_SERVICE);
        thread.start();
        handler = new Handler(thread.getLooper());
    }

    /** Identifiers of the cameras that give pictures, the system's first one first. */
    List<String> ids() throws CameraAccessException {
        List<String> ids = new ArrayList<>();
        for (String id : manager.getCameraIdList()) {
            CameraCharacteristics traits = manager.getCameraCharacteristics(id);
            int[] abilities = traits.get(CameraCharacteristics.REQUEST_AVAILABLE_CAPABILITIES);
            if (contains(abilities,
                            CameraCharacteristics.REQUEST_AVAILABLE_CAPABILITIES_BACKWARD_COMPATIBLE)
                    && !frameSizes(traits).isEmpty() && !previewSizes(traits).isEmpty()) {
                ids.add(id);
            }
        }
        return ids;
    }

    /**
     * Opens a camera in place of the one before.
     *
     * @param inputWidth of the network that looks at the frames, in pixels
     * @param viewWidth of the view of the preview, in pixels
     */
    void start(final String id, final SurfaceTexture texture, final int inputWidth,
            final int inputHeight, final int viewWidth, final int viewHeight) {
        handler.post(new Runnable() {
            @Override
            public void run() {
                closeSession();
                session = new Session();
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
        thread.quitSafely();
    }

    private void closeSession() {
        if (session != null) {
            session.close();
            session = null;
        }
    }

    private static List<int[]> frameSizes(CameraCharacteristics traits) {
        StreamConfigurationMap map =
                traits.get(CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP);
        return pairs(map == null ? null : map.getOutputSizes(ImageFormat.YUV_420_888));
    }

    private static List<int[]> previewSizes(CameraCharacteristics traits) {
        StreamConfigurationMap map =
                traits.get(CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP);
        return pairs(map == null ? null : map.getOutputSizes(SurfaceTexture.class));
    }

    private static List<int[]> pairs(Size[] sizes) {
        List<int[]> pairs = new ArrayList<>();
        if (sizes != null) {
            for (Size size : sizes) {
                pairs.add(new int[] {size.getWidth(), size.getHeight()});
            }
        }
        return pairs;
    }

    private static boolean contains(int[] values, int wanted) {
        if (values != null) {
            for (int value : values) {
                if (value == wanted) {
                    return true;
                }
            }
        }
        return false;
    }

    /** From opening a camera to closing it. What arrives later is thrown away. */
    private final class Session extends CameraDevice.StateCallback
            implements ImageReader.OnImageAvailableListener {
        private CameraCharacteristics traits;
        private CameraDevice device;
        private ImageReader reader;
        private SurfaceTexture texture;
        private StreamSizes sizes;
        private Surface preview;
        private View view;
        private boolean closed;

        void open(String id, SurfaceTexture texture, int inputWidth, int inputHeight,
                int viewWidth, int viewHeight) {
            this.texture = texture;
            try {
                traits = manager.getCameraCharacteristics(id);
                sizes = StreamSizes.choose(frameSizes(traits), previewSizes(traits),
                        inputWidth, inputHeight, viewWidth, viewHeight);
                Integer orientation = traits.get(CameraCharacteristics.SENSOR_ORIENTATION);
                Integer facing = traits.get(CameraCharacteristics.LENS_FACING);
                view = new View(sizes.frame[0], sizes.frame[1],
                        orientation == null ? 0 : orientation,
                        facing != null && facing == CameraCharacteristics.LENS_FACING_FRONT);
                reader = ImageReader.newInstance(
                        sizes.frame[0], sizes.frame[1], ImageFormat.YUV_420_888, FRAMES);
                reader.setOnImageAvailableListener(this, handler);
                manager.openCamera(id, this, handler);
            } catch (CameraAccessException error) {
                fail(messageOf(error));
            } catch (SecurityException error) {
                fail(R.string.camera_not_allowed);
            } catch (RuntimeException error) {
                // a camera that is gone, a surface that is gone: camera2 throws several
                fail(R.string.camera_failed);
            }
        }

        void close() {
            if (closed) {
                return;
            }
            closed = true;
            if (device != null) {
                device.close();
            }
            if (preview != null) {
                preview.release();
            }
            if (reader != null) {
                reader.setOnImageAvailableListener(null, null);
                final ImageReader last = reader;
                // a frame that is being looked at lies in its memory
                listener.afterFrame(new Runnable() {
                    @Override
                    public void run() {
                        last.close();
                    }
                });
            }
        }

        @Override
        public void onOpened(CameraDevice opened) {
            if (closed) {
                opened.close();
                return;
            }
            device = opened;
            try {
                // not earlier: a view that is laid out sets its own size
                texture.setDefaultBufferSize(sizes.preview[0], sizes.preview[1]);
                preview = new Surface(texture);
                device.createCaptureSession(Arrays.asList(preview, reader.getSurface()),
                        new CameraCaptureSession.StateCallback() {
                            @Override
                            public void onConfigured(CameraCaptureSession configured) {
                                repeat(configured);
                            }

                            @Override
                            public void onConfigureFailed(CameraCaptureSession failed) {
                                fail(R.string.camera_failed);
                            }
                        }, handler);
            } catch (CameraAccessException error) {
                fail(messageOf(error));
            } catch (RuntimeException error) {
                fail(R.string.camera_failed);
            }
        }

        private void repeat(CameraCaptureSession configured) {
            if (closed) {
                return;
            }
            try {
                CaptureRequest.Builder request =
                        device.createCaptureRequest(CameraDevice.TEMPLATE_PREVIEW);
                request.addTarget(preview);
                request.addTarget(reader.getSurface());
                int focus = CaptureRequest.CONTROL_AF_MODE_CONTINUOUS_VIDEO;
                if (contains(traits.get(CameraCharacteristics.CONTROL_AF_AVAILABLE_MODES), focus)) {
                    request.set(CaptureRequest.CONTROL_AF_MODE, focus);
                }
                configured.setRepeatingRequest(request.build(), null, handler);
                listener.onCameraStarted(view);
            } catch (CameraAccessException error) {
                fail(messageOf(error));
            } catch (RuntimeException error) {
                fail(R.string.camera_failed);
            }
        }

        @Override
        public void onDisconnected(CameraDevice lost) {
            device = lost;
            fail(R.string.camera_taken);
        }

        @Override
        public void onError(CameraDevice lost, int error) {
            device = lost;
            switch (error) {
                case ERROR_CAMERA_IN_USE:
                case ERROR_MAX_CAMERAS_IN_USE:
                    fail(R.string.camera_in_use);
                    break;
                case ERROR_CAMERA_DISABLED:
                    fail(R.string.camera_disabled);
                    break;
                default:
                    fail(R.string.camera_failed);
            }
        }

        @Override
        public void onImageAvailable(ImageReader from) {
            if (closed) {
                return;
            }
            Image image = from.acquireLatestImage();
            if (image != null) {
                listener.onFrame(image);
            }
        }

        private int messageOf(CameraAccessException error) {
            switch (error.getReason()) {
                case CameraAccessException.CAMERA_IN_USE:
                case CameraAccessException.MAX_CAMERAS_IN_USE:
                    return R.string.camera_in_use;
                case CameraAccessException.CAMERA_DISABLED:
                    return R.string.camera_disabled;
                default:
                    return R.string.camera_failed;
            }
        }

        private void fail(int message) {
            if (closed) {
                // an error may arrive for a device that was never handed over
                if (device != null) {
                    device.close();
                }
                return;
            }
            close();
            listener.onCameraFailed(message);
        }
    }
}
