package org.nanodet.app;

import android.graphics.ImageFormat;
import android.graphics.SurfaceTexture;
import android.hardware.camera2.CameraAccessException;
import android.hardware.camera2.CameraCaptureSession;
import android.hardware.camera2.CameraCharacteristics;
import android.hardware.camera2.CameraDevice;
import android.hardware.camera2.CameraManager;
import android.hardware.camera2.CaptureRequest;
import android.media.Image;
import android.media.ImageReader;
import android.os.Handler;
import android.view.Surface;
import java.util.Arrays;

/**
 * A camera from opening to closing; what arrives later is thrown away. Belongs to the camera's
 * thread.
 */
final class CameraSession extends CameraDevice.StateCallback
        implements ImageReader.OnImageAvailableListener {
    // one that the listener works on, and two for the newest of those that wait
    private static final int FRAMES = 3;

    private final int number;
    private final CameraManager manager;
    private final Handler handler;
    private final Camera.Listener listener;
    private CameraCharacteristics traits;
    private CameraDevice device;
    private ImageReader reader;
    private SurfaceTexture texture;
    private StreamSizes sizes;
    private Surface preview;
    private CameraView view;
    private boolean opening;
    private boolean closed;

    /** @param handler of the camera's thread */
    CameraSession(int number, CameraManager manager, Handler handler, Camera.Listener listener) {
        this.number = number;
        this.manager = manager;
        this.handler = handler;
        this.listener = listener;
    }

    void open(String id, SurfaceTexture texture, int inputWidth, int inputHeight,
            int viewWidth, int viewHeight) {
        this.texture = texture;
        try {
            traits = manager.getCameraCharacteristics(id);
            sizes = StreamSizes.choose(
                    CameraTraits.frameSizes(traits), CameraTraits.previewSizes(traits),
                    inputWidth, inputHeight, viewWidth, viewHeight);
            view = CameraTraits.view(traits, sizes.frame);
            reader = ImageReader.newInstance(
                    sizes.frame[0], sizes.frame[1], ImageFormat.YUV_420_888, FRAMES);
            reader.setOnImageAvailableListener(this, handler);
            opening = true;
            manager.openCamera(id, this, handler);
        } catch (CameraAccessException error) {
            opening = false;
            fail(messageOf(error));
        } catch (SecurityException error) {
            opening = false;
            fail(R.string.camera_not_allowed);
        } catch (RuntimeException error) {
            // a camera that is gone, a surface that is gone: camera2 throws several
            opening = false;
            fail(R.string.camera_failed);
        }
    }

    /** Whether the system has been asked for a camera and has not answered yet. */
    boolean isOpening() {
        return opening;
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
        opening = false;
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
            if (CameraTraits.contains(
                    traits.get(CameraCharacteristics.CONTROL_AF_AVAILABLE_MODES), focus)) {
                request.set(CaptureRequest.CONTROL_AF_MODE, focus);
            }
            configured.setRepeatingRequest(request.build(), null, handler);
            listener.onCameraStarted(number, view);
        } catch (CameraAccessException error) {
            fail(messageOf(error));
        } catch (RuntimeException error) {
            fail(R.string.camera_failed);
        }
    }

    @Override
    public void onDisconnected(CameraDevice lost) {
        opening = false;
        device = lost;
        fail(R.string.camera_taken);
    }

    @Override
    public void onError(CameraDevice lost, int error) {
        opening = false;
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
        listener.onCameraFailed(number, message);
    }
}
