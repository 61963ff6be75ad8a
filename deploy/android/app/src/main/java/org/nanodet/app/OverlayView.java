package org.nanodet.app;

import android.content.Context;
import android.graphics.Canvas;
import android.graphics.Color;
import android.graphics.Paint;
import android.util.AttributeSet;
import android.view.View;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import org.nanodet.Detection;

/** Boxes with class names over the preview. */
public final class OverlayView extends View {
    private final Paint line = new Paint(Paint.ANTI_ALIAS_FLAG);
    private final Paint letters = new Paint(Paint.ANTI_ALIAS_FLAG);
    private final Paint ground = new Paint();
    private final float margin;

    private List<Detection> detections = Collections.emptyList();
    private List<String> classNames = Collections.emptyList();
    private ViewGeometry geometry;

    public OverlayView(Context context, AttributeSet attributes) {
        super(context, attributes);
        margin = getResources().getDimension(R.dimen.label_margin);
        line.setStyle(Paint.Style.STROKE);
        line.setStrokeWidth(getResources().getDimension(R.dimen.box_line));
        letters.setTextSize(getResources().getDimension(R.dimen.label_text));
    }

    /** Shows these detections, in pixels of the upright image, in place of those before. */
    void show(List<Detection> detections, List<String> classNames, ViewGeometry geometry) {
        this.detections = detections;
        this.classNames = classNames;
        this.geometry = geometry;
        invalidate();
    }

    void clear() {
        show(Collections.<Detection>emptyList(), Collections.<String>emptyList(), null);
    }

    @Override
    protected void onDraw(Canvas canvas) {
        super.onDraw(canvas);
        if (geometry == null) {
            return;
        }
        // the better ones come on top
        for (int i = detections.size() - 1; i >= 0; i--) {
            draw(canvas, detections.get(i));
        }
    }

    private void draw(Canvas canvas, Detection found) {
        float[] box = geometry.toView(found.left, found.top, found.right, found.bottom);
        int colour = ClassColours.of(found.classId);
        line.setColor(colour);
        canvas.drawRect(box[0], box[1], box[2], box[3], line);

        String label = String.format(
                Locale.getDefault(), "%s %.2f", classNames.get(found.classId), found.confidence);
        float width = letters.measureText(label) + 2 * margin;
        float height = letters.descent() - letters.ascent() + 2 * margin;
        // inside the view, above the box where there is room
        float left = Math.max(0, Math.min(box[0], getWidth() - width));
        float top = Math.max(0, box[1] - height);
        ground.setColor(colour);
        canvas.drawRect(left, top, left + width, top + height, ground);
        boolean bright = 0.299 * Color.red(colour) + 0.587 * Color.green(colour)
                + 0.114 * Color.blue(colour) > 140;
        letters.setColor(bright ? Color.BLACK : Color.WHITE);
        canvas.drawText(label, left + margin, top + margin - letters.ascent(), letters);
    }
}
