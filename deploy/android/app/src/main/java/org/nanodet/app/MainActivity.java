package org.nanodet.app;

import android.app.Activity;
import android.content.res.Configuration;
import android.graphics.SurfaceTexture;
import android.hardware.camera2.CameraAccessException;
import android.media.Image;
import android.os.Bundle;
import android.os.Handler;
import android.os.Looper;
import android.view.TextureView;
import android.widget.TextView;
import java.io.IOException;
import java.util.Collections;
import java.util.List;
import org.nanodet.Result;

/**
 * The one screen: the camera's image with boxes. Opens a model, then the camera, and tells the
 * user what keeps it from doing so. Its fields belong to the main thread.
 */
public final class MainActivity extends Activity
        implements TextureView.SurfaceTextureListener, Camera.Listener, LiveDetector.Listener,
                Controls.Listener {
    private final Handler main = new Handler(Looper.getMainLooper());
    private Settings settings;
    private AssetModels assets;
    private ModelStore store;
    private List<Model> models = Collections.emptyList();
    private String noModels;
    private LiveDetector live;
    private Camera camera;
    private Controls controls;
    private MessagePanel message;
    private CameraPermission permission;
    private PreviewPlacer placer;
    private TextureView preview;
    private OverlayView overlay;
    private TextView status;

    private SurfaceTexture texture;
    private LiveDetector.Loaded loaded;
    private boolean resumed;
    private boolean cameraRunning;
    private int cameraNumber;
    private String failure;
    private boolean detectorFailed;

    @Override
    protected void onCreate(Bundle state) {
        super.onCreate(state);
        setContentView(R.layout.main);
        preview = (TextureView) findViewById(R.id.preview);
        overlay = (OverlayView) findViewById(R.id.overlay);
        status = (TextView) findViewById(R.id.status);
        message = new MessagePanel(findViewById(R.id.message_panel));
        permission = new CameraPermission(this, message, state);
        placer = new PreviewPlacer(this, main, preview, overlay);
        settings = new Settings(this);
        live = new LiveDetector(main, this);
        camera = new Camera(this, this);
        assets = new AssetModels(this);
        store = assets.store();
        noModels = getString(R.string.no_models);
        try {
            models = assets.list();
        } catch (IOException error) {
            noModels = getString(R.string.models_unreadable, error.getMessage());
        }
        controls = new Controls(findViewById(android.R.id.content), models, settings, this);
        preview.setSurfaceTextureListener(this);
        load();
    }

    @Override
    protected void onSaveInstanceState(Bundle state) {
        super.onSaveInstanceState(state);
        permission.save(state);
    }

    @Override
    protected void onResume() {
        super.onResume();
        resumed = true;
        if (!detectorFailed) {
            failure = null;
        }
        placer.place();
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
        placer.quit();
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
            message.show(noModels);
        } else if (!permission.granted()) {
            permission.ask();
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

    @Override
    public void onRequestPermissionsResult(int request, String[] permissions, int[] results) {
        permission.onAnswer(results);
        update();
    }

    /** Opens the chosen model in place of the one before. */
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
            camera.start(++cameraNumber, id, texture, loaded.inputWidth, loaded.inputHeight,
                    preview.getWidth(), preview.getHeight());
        } catch (CameraAccessException | IllegalArgumentException error) {
            fail(getString(R.string.camera_failed));
        }
    }

    private void stopCamera() {
        camera.stop();
        cameraRunning = false;
        placer.show(null);
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
        } catch (CameraAccessException | IllegalArgumentException error) {
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
        ViewGeometry geometry = placer.geometry();
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
    public void onCameraStarted(final int number, final CameraView view) {
        main.post(new Runnable() {
            @Override
            public void run() {
                if (isCurrent(number)) {
                    placer.show(view);
                }
            }
        });
    }

    @Override
    public void onFrame(Image image) {
        int turn = placer.turn();
        if (turn == PreviewPlacer.UNKNOWN || !live.offer(image, turn)) {
            image.close();
        }
    }

    @Override
    public void afterFrame(Runnable action) {
        live.afterFrame(action);
    }

    @Override
    public void onCameraFailed(final int number, final int line) {
        main.post(new Runnable() {
            @Override
            public void run() {
                if (isCurrent(number)) {
                    stopCamera();
                    fail(getString(line));
                }
            }
        });
    }

    /** Whether this is the camera started last, and nobody stopped it since. */
    private boolean isCurrent(int number) {
        return cameraRunning && number == cameraNumber;
    }

    // from the screen

    @Override
    public void onConfigurationChanged(Configuration configuration) {
        super.onConfigurationChanged(configuration);
        placer.place();
    }

    @Override
    public void onSurfaceTextureAvailable(SurfaceTexture available, int width, int height) {
        texture = available;
        update();
    }

    @Override
    public void onSurfaceTextureSizeChanged(SurfaceTexture changed, int width, int height) {
        placer.place();
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
