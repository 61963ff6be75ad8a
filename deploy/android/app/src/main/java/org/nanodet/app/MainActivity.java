package org.nanodet.app;

import android.Manifest;
import android.app.Activity;
import android.content.Context;
import android.content.Intent;
import android.content.pm.PackageManager;
import android.content.res.Configuration;
import android.graphics.Matrix;
import android.graphics.SurfaceTexture;
import android.hardware.camera2.CameraAccessException;
import android.hardware.display.DisplayManager;
import android.media.Image;
import android.net.Uri;
import android.os.Bundle;
import android.os.Handler;
import android.os.Looper;
import android.view.TextureView;
import android.view.View;
import android.widget.TextView;
import java.io.IOException;
import java.util.Collections;
import java.util.List;
import org.nanodet.Result;

/**
 * The one screen: the camera's picture with boxes. Opens a model, then the camera, and tells the
 * user what keeps it from doing so. Its fields belong to the main thread, but for the volatile ones.
 */
public final class MainActivity extends Activity
        implements TextureView.SurfaceTextureListener, DisplayManager.DisplayListener,
                Camera.Listener, LiveDetector.Listener, Controls.Listener {
    private static final int PERMISSION_REQUEST = 1;
    private static final String ASKED = "asked";

    private final Handler main = new Handler(Looper.getMainLooper());
    private Settings settings;
    private AssetModels assets;
    private ModelStore store;
    private List<Model> models = Collections.emptyList();
    private LiveDetector live;
    private Camera camera;
    private Controls controls;
    private MessagePanel message;
    private TextureView preview;
    private OverlayView overlay;
    private TextView status;

    private SurfaceTexture texture;
    private LiveDetector.Loaded loaded;
    private boolean resumed;
    private boolean cameraRunning;
    private boolean asked;
    private String failure;
    private boolean detectorFailed;

    private volatile Camera.View cameraView;
    private volatile int displayDegrees;

    @Override
    protected void onCreate(Bundle state) {
        super.onCreate(state);
        asked = state != null && state.getBoolean(ASKED);
        setContentView(R.layout.main);
        preview = (TextureView) findViewById(R.id.preview);
        overlay = (OverlayView) findViewById(R.id.overlay);
        status = (TextView) findViewById(R.id.status);
        message = new MessagePanel(findViewById(R.id.message_panel));
        settings = new Settings(this);
        live = new LiveDetector(main, this);
        camera = new Camera(this, this);
        assets = new AssetModels(this);
        store = assets.store();
        try {
            models = assets.list();
        } catch (IOException error) {
            failure = getString(R.string.models_unreadable, error.getMessage());
        }
        controls = new Controls(findViewById(android.R.id.content), models, settings, this);
        preview.setSurfaceTextureListener(this);
        overlay.addOnLayoutChangeListener(new View.OnLayoutChangeListener() {
            @Override
            public void onLayoutChange(View view, int left, int top, int right, int bottom,
                    int oldLeft, int oldTop, int oldRight, int oldBottom) {
                placePreview();
            }
        });
        // half a turn at once changes no configuration, but the display
        displays().registerDisplayListener(this, main);
        load();
    }

    @Override
    protected void onSaveInstanceState(Bundle state) {
        super.onSaveInstanceState(state);
        state.putBoolean(ASKED, asked);
    }

    @Override
    protected void onResume() {
        super.onResume();
        resumed = true;
        if (!detectorFailed) {
            failure = null;
        }
        placePreview();
        update();
    }

    @Override
    protected void onPause() {
        resumed = false;
        stopCamera();
        super.onPause();
    }

    @Override
    protected void onDestroy() {
        displays().unregisterDisplayListener(this);
        // the detector last: its thread gives the camera's frames back
        camera.quit(new Runnable() {
            @Override
            public void run() {
                live.quit();
            }
        });
        main.removeCallbacksAndMessages(null);
        super.onDestroy();
    }

    /** Does what comes next, or says what is in its way. Called whenever something changed. */
    private void update() {
        if (!resumed) {
            return;
        }
        if (failure != null) {
            message.show(failure, R.string.retry, new Runnable() {
                @Override
                public void run() {
                    retry();
                }
            });
        } else if (models.isEmpty()) {
            message.show(getString(R.string.no_models));
        } else if (checkSelfPermission(Manifest.permission.CAMERA)
                != PackageManager.PERMISSION_GRANTED) {
            askForCamera();
        } else {
            message.hide();
            if (loaded != null && texture != null && !cameraRunning) {
                startCamera();
            }
        }
    }

    private void retry() {
        failure = null;
        if (detectorFailed) {
            load();
        }
        update();
    }

    private void askForCamera() {
        if (!asked) {
            asked = true;
            message.show(getString(R.string.permission_needed));
            requestPermissions(new String[] {Manifest.permission.CAMERA}, PERMISSION_REQUEST);
        } else if (shouldShowRequestPermissionRationale(Manifest.permission.CAMERA)) {
            message.show(getString(R.string.permission_needed), R.string.ask, new Runnable() {
                @Override
                public void run() {
                    requestPermissions(
                            new String[] {Manifest.permission.CAMERA}, PERMISSION_REQUEST);
                }
            });
        } else {
            // the system asks no more
            message.show(getString(R.string.permission_denied), R.string.settings, new Runnable() {
                @Override
                public void run() {
                    startActivity(new Intent(
                            android.provider.Settings.ACTION_APPLICATION_DETAILS_SETTINGS,
                            Uri.fromParts("package", getPackageName(), null)));
                }
            });
        }
    }

    @Override
    public void onRequestPermissionsResult(int request, String[] permissions, int[] results) {
        if (results.length == 0) {
            // the question was taken away before it was answered
            asked = false;
        }
        update();
    }

    /** Opens the chosen model; the camera runs on meanwhile, its frames are not looked at. */
    private void load() {
        detectorFailed = false;
        failure = null;
        loaded = null;
        overlay.clear();
        Model model = controls.model();
        if (model != null) {
            status.setText(getString(R.string.loading, model.label));
            live.load(store, assets, model, settings.threads(), controls.vulkan());
        }
    }

    private void startCamera() {
        try {
            List<String> ids = camera.ids();
            controls.showCameraSwitch(ids.size() > 1);
            if (ids.isEmpty()) {
                fail(getString(R.string.no_camera));
                return;
            }
            String id = ids.contains(settings.camera()) ? settings.camera() : ids.get(0);
            cameraRunning = true;
            camera.start(id, texture, loaded.inputWidth, loaded.inputHeight,
                    preview.getWidth(), preview.getHeight());
        } catch (CameraAccessException error) {
            fail(getString(R.string.camera_failed));
        }
    }

    private void stopCamera() {
        camera.stop();
        cameraRunning = false;
        cameraView = null;
        overlay.clear();
    }

    private void fail(String line) {
        failure = line;
        update();
    }

    // what the user chose

    @Override
    public void onModelChosen() {
        // the camera's frames have the size that the model needs
        stopCamera();
        load();
        update();
    }

    @Override
    public void onCameraSwitched() {
        try {
            List<String> ids = camera.ids();
            if (!ids.isEmpty()) {
                int now = Math.max(0, ids.indexOf(settings.camera()));
                settings.setCamera(ids.get((now + 1) % ids.size()));
            }
        } catch (CameraAccessException error) {
            // starting says what is wrong
        }
        stopCamera();
        failure = detectorFailed ? failure : null;
        update();
    }

    // from the detector, on the main thread

    @Override
    public void onLoaded(LiveDetector.Loaded opened) {
        loaded = opened;
        update();
    }

    @Override
    public void onResult(Result result, int turn, float framesPerSecond) {
        ViewGeometry geometry = geometry();
        // what was seen before the screen or the camera changed lies elsewhere now
        if (loaded == null || geometry == null || turn != geometry.turn()) {
            return;
        }
        overlay.show(result.detections, loaded.classNames, geometry);
        status.setText(getString(R.string.status, loaded.engine, loaded.inputWidth,
                loaded.inputHeight, result.preprocessMs, result.networkMs, result.decodeMs,
                result.totalMs(), framesPerSecond));
    }

    @Override
    public void onDetectorFailed(String line) {
        detectorFailed = true;
        loaded = null;
        status.setText("");
        stopCamera();
        fail(line);
    }

    // from the camera, on its thread

    @Override
    public void onCameraStarted(final Camera.View view) {
        main.post(new Runnable() {
            @Override
            public void run() {
                if (cameraRunning) {
                    cameraView = view;
                    placePreview();
                }
            }
        });
    }

    @Override
    public void onFrame(Image image) {
        Camera.View view = cameraView;
        if (view == null || !live.offer(image,
                ViewGeometry.turn(view.sensorDegrees, displayDegrees, view.front))) {
            image.close();
        }
    }

    @Override
    public void afterFrame(Runnable action) {
        live.afterFrame(action);
    }

    @Override
    public void onCameraFailed(final int line) {
        main.post(new Runnable() {
            @Override
            public void run() {
                if (cameraRunning) {
                    stopCamera();
                    fail(getString(line));
                }
            }
        });
    }

    // where things lie on the screen

    private ViewGeometry geometry() {
        Camera.View view = cameraView;
        if (view == null || overlay.getWidth() == 0 || overlay.getHeight() == 0) {
            return null;
        }
        return new ViewGeometry(view.frameWidth, view.frameHeight, view.sensorDegrees,
                displayDegrees, view.front, overlay.getWidth(), overlay.getHeight());
    }

    private void placePreview() {
        // Surface.ROTATION_0, 90, 180 and 270 are 0 to 3
        displayDegrees = 90 * getWindowManager().getDefaultDisplay().getRotation();
        ViewGeometry geometry = geometry();
        if (geometry != null) {
            Matrix matrix = new Matrix();
            matrix.setValues(geometry.previewMatrix());
            preview.setTransform(matrix);
            overlay.clear();
        }
    }

    private DisplayManager displays() {
        return (DisplayManager) getSystemService(Context.DISPLAY_SERVICE);
    }

    @Override
    public void onConfigurationChanged(Configuration configuration) {
        super.onConfigurationChanged(configuration);
        placePreview();
    }

    @Override
    public void onDisplayChanged(int display) {
        placePreview();
    }

    @Override
    public void onDisplayAdded(int display) {}

    @Override
    public void onDisplayRemoved(int display) {}

    @Override
    public void onSurfaceTextureAvailable(SurfaceTexture available, int width, int height) {
        texture = available;
        update();
    }

    @Override
    public void onSurfaceTextureSizeChanged(SurfaceTexture changed, int width, int height) {
        placePreview();
    }

    @Override
    public boolean onSurfaceTextureDestroyed(SurfaceTexture destroyed) {
        texture = null;
        stopCamera();
        camera.release(destroyed);
        return false;
    }

    @Override
    public void onSurfaceTextureUpdated(SurfaceTexture updated) {}
}
