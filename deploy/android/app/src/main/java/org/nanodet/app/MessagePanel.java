package org.nanodet.app;

import android.view.View;
import android.widget.Button;
import android.widget.TextView;

/** A text in the middle of the screen, with a button where something can be done about it. */
final class MessagePanel {
    private final View panel;
    private final TextView text;
    private final Button button;

    MessagePanel(View panel) {
        this.panel = panel;
        text = (TextView) panel.findViewById(R.id.message);
        button = (Button) panel.findViewById(R.id.action);
    }

    void show(String line) {
        text.setText(line);
        button.setVisibility(View.GONE);
        panel.setVisibility(View.VISIBLE);
    }

    /** @param label a string resource */
    void show(String line, int label, final Runnable action) {
        show(line);
        button.setText(label);
        button.setVisibility(View.VISIBLE);
        button.setOnClickListener(new View.OnClickListener() {
            @Override
            public void onClick(View clicked) {
                action.run();
            }
        });
    }

    void hide() {
        panel.setVisibility(View.GONE);
    }
}
